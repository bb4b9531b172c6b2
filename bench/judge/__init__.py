"""Judging somebody else's method: one process runs its code, another one holds the test split and writes the record.

cells       one cell, judged: the rows that are sent, the predictions that come back, the record
player      the confined process: imports the method's file, trains and predicts
host        starts and ends a player, and measures it from outside
confinement what a player may see, write and use
channel     what crosses: numbers, texts and tensors, never a pickle
sealed      a second test on rows that nobody could know
"""
