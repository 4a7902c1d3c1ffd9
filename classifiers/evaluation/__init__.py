"""Figures of a bundle on labelled objects, through the code that serves; no torch."""
