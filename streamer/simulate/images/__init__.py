"""Stamps around simulated alerts."""
