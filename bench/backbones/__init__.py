"""Backbones as lists of stages, for suites to choose from.

A function per architecture: it returns fresh stages, each with the shape of its output, and a `width` that multiplies
all channels. Weights come from torch's generator, which the caller seeds. Beside it a class makes the architecture
known by a name with options, as `mlp:hidden=64/64`, for data sets that name theirs; `mtlbench list backbones` has them.
"""
