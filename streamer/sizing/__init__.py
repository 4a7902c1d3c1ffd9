"""What a night takes: measured costs, and what follows from them for a number of alerts."""
