"""Weightings, one file each: how T losses become one step.

Each registers itself under the name after the `@`; nothing lists them. They import `bench.api` only, as a plug-in does.
"By TorchJD" names the library whose rule is used. Rules are imported in constructors, so that listing weightings does
not load it.
"""
