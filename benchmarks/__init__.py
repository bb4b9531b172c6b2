"""Experiments about the benchmark itself, each a command that prints its table."""
