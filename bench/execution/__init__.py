"""Runs planned cells: what a worker is given, where cells are placed, and what is told meanwhile.

execute       `Execution`, from planned specifications to their records; what the commands call
plan_status   which cells are stored, done, failed or still to run
cell          one cell on a machine that sees the store
stacked_cell  several seeds as one cell
portable_cell one cell for a machine that shares nothing
judged_cell   one cell of a submission, trained in a confined process
keep          stores a record and mirrors it
shared_rows   data that is read once for all workers
controls      the runs of controls
forecast      estimates of run time
progress      bars and lines on standard error
live_notes    the progress file that the site reads

How a cell is trained is in `bench.training`; in which process it runs is the engine's choice (`bench.engines`).
"""
