"""Judges somebody else's method: one process runs its code, another holds the test split and writes the record.

The code under judgement, the *player*, is confined and never sees a test target. The process that judges never imports
the code. What crosses between them is data (`channel`), and everything a player says is checked before it is used.

cells       one judged cell: the rows that are sent, the predictions that come back, the record
player      the confined process: imports the method's file, trains and predicts
host        starts and ends a player, and measures it from outside
confinement what a player may see, write and use
seccomp     system calls that are refused to it
leftovers   removes what it wrote before the next request
rows        the rows that it was sent, and suites that give no others
trained     checks the form of what it says of its training
cost        compares the cost that it declares with what was measured
limits      bounds of time, memory, output and processes
watched     stores that are compared before and after it ran without a sandbox
channel     messages of numbers, texts and tensors; never a pickle
sealed      a second test on rows that nobody could know
"""
