"""Files, locks, processes and shortages of the operating system."""
