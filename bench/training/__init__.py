"""Training: from a RunSpec to a ResultRecord, under Lightning.

`fit` is the entry; execution calls it once per cell. `module` and `gradients` are one update; `watch` and `select`
decide which epoch counts; `examine` reads the test split. Runs on several devices, of stacked seeds and of solvers are
packages of their own.
"""
