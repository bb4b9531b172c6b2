"""Runs that see all rows at once: by a solver, or by the own inference of a sharing.

In place of `bench.training.fit.Run` where the protocol's `fit` is `solver`; both end in a `TrainedCell`.
"""
