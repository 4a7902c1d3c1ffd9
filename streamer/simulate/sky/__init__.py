"""What there is on the simulated sky: populations, hosts, stars, dust."""
