"""A method in any training loop: network, step and update, for the harness and for loops of others.

Nothing here knows suites' data, protocols of boards, records or Lightning. `bench.training` and `mb.share` both train
through these modules, so that there is one implementation of a step.
"""
