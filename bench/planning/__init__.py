"""From names on the command line to the specifications of runs, also of a search."""
