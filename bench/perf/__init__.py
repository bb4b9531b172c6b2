"""How fast the harness is compared with bare loops, its solver with others, and what each speedup gains."""
