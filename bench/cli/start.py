"""The first lines of `mtlbench`: quiet about Ctrl-C before anything that takes time is imported."""

import atexit
import os
import signal
import sys


def main() -> int:
    """Import the command line, and run it. Ctrl-C meanwhile is exit code 130 and nothing else."""
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeded:
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # last of all: handlers are gone then
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + number))
    from bench.cli.main import main

    if heeded:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


if __name__ == "__main__":
    sys.exit(main())
