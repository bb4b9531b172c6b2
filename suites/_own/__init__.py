"""Data sets of the user's own, in the data folder under `own/NAME`: what they hold, and how they become suites."""
