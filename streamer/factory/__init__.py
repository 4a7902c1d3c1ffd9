"""Builds everything from the settings, which stop here: a module for each thing that is built."""
