"""What cells of tables of people's own may hold, the same for every reader."""

MISSING_TEXTS = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?")  # texts; a user may name more
MOST_NUMBER = 1e30  # of a column: beyond, float32 and squared deviations overflow
