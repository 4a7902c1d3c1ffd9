"""How each survey looks at the simulated sky: when, in which band, how deep, how sharp."""
