"""Follow-up spectra of simulated objects: what shines, what absorbs, and the spectrograph that looks."""
