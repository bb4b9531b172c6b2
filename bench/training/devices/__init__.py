"""One run on several devices: worker processes (`peers`, `worker`) and the tensors they exchange (`ranks`).

Every process computes the same step on the whole batch, so the numbers of a run do not depend on how many there are,
up to rounding.
"""
