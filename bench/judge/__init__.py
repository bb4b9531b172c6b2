"""Judging somebody else's method: one process runs its code, another one holds the test split and writes the record.

cells       one cell, judged: the rows that are sent, the predictions that come back, the record
player      the confined process: imports the method's file, trains and predicts
host        starts and ends a player, and measures it from outside
confinement what a player may see, write and use
seccomp     system calls that it is refused
leftovers   what it wrote, removed before the next request
rows        the rows that it was sent, and suites that give no others
trained     what it says of its training, as far as it has the right form
cost        what it says of its cost, held against what was measured
channel     what crosses: numbers, texts and tensors, never a pickle
sealed      a second test on rows that nobody could know
"""
