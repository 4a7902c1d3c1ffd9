"""Where a survey's names, units and sentinels end: wire records of each survey into `Alert`s."""
