"""Simulated nights: schema-valid ZTF and LSST packets of transients, variables, asteroids and bogus detections."""
