"""Nouns and wire contracts: what an alert, a light curve, a cutout, a spectrum and a score are."""
