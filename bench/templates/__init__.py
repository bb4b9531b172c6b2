"""Files that `mtlbench new` copies under the name that a user chose: one complete, commented part of each kind.

They are modules like any other, so that lint, types and tests hold them. `bench.cli.new` replaces `my_part` and
`MyPart`; nothing of the harness imports them.
"""
