"""Training: fits the networks and the trees of a bundle, and writes it; most of it needs torch."""
