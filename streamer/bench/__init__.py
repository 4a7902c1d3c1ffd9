"""Measurements of this machine: decoding beside fastavro, and the whole pipeline by stage."""
