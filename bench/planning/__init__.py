"""From names on the command line to the specifications of runs, also of a random search.

Nothing is trained or stored here. `bench.execution` runs what is planned.
"""
