"""How fast the harness is beside bare loops, its solver beside others, and what each speedup gains."""
