"""All runs of a store as data for others: one tidy table as files, its description, and how to cite it.

`columns` says what each column is, `run_files` writes the rows of `leaderboard.analysis.run_rows`, `croissant`
describes the files for programs, `citation` reads how to cite the project.
"""
