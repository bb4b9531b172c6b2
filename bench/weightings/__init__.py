"""Weightings, one file each: how T losses become one step.

Each registers itself under the name after the `@`; nothing lists them. Of the project they import `bench.api` and
`bench.toolbox` only. "By TorchJD" names the library whose rule is used. Rules are imported in constructors, so that
listing weightings does not load it.
"""
