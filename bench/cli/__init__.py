"""The command line, `mtlbench`: `main`, the options that commands share, and one module per command.

start         the entry point: answers Ctrl-C before anything is imported
main          parser, help page, errors and exit codes
options       options of several commands
terminal      encodings and Ctrl-C
rerun         what `verify --rerun` does
all others    a command each

A command's module has `add` (its arguments), `run` (what it does; returns the exit code) and EPILOG (examples of its
help page); its docstring is the description of that page. Whatever takes time to import is imported inside `run`, so
that `--help` and wrong arguments answer at once. What trains is in `bench.execution`; tables and checks of records are
in `leaderboard`.
"""
