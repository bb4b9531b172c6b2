"""Runs planned cells: what a worker is given, where cells are placed, and what is told meanwhile."""
