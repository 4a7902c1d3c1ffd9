"""Scores of any broker beside the truth of a simulated night."""
