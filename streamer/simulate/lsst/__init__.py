"""Rubin's packets, in Rubin's names and units."""
