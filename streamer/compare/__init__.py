"""Simulated packets beside real ones: what tells them apart, in figures and pictures."""
