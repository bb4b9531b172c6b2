"""Runs that see all rows at once: by a solver, or by the own inference of a sharing."""
