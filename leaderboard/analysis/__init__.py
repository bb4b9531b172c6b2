"""What the records of a board say: estimates, tests, ranks, dials, relatedness, and the worth of a method in data.

`results.analyse` is the way in for boards; dials and relatedness read records directly. Nothing is written as text.
"""
