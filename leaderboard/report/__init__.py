"""Tables for people and programs: the numbers of a board in lines and columns, with footnotes, in every format.

`table` lays the results of `leaderboard.analysis` out, `footnotes` explains them, `formats` and `terminal` write them.
Nothing here estimates or tests anything.
"""
