"""The first lines of `mtlbench`: Ctrl-C is answered quietly before anything that takes time is imported.

Importing the command line takes part of a second, and Python would print a traceback of whatever it was importing.
"""

import atexit
import os
import signal
import sys


def main() -> int:
    """Import the command line and run it. Ctrl-C meanwhile ends the process with exit code 130.

    Where Ctrl-C is ignored, as for a command in the background of a script, it stays ignored.

    Returns:
        The exit code of the command.
    """
    # Where another program handles or ignores Ctrl-C, that stays so.
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if heeded:
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # last of all: handlers are gone then
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + number))
    from bench.cli.main import main
    from bench.cli.terminal import pass_on_interrupt

    sys.unraisablehook = pass_on_interrupt
    if heeded:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return main()


if __name__ == "__main__":
    sys.exit(main())
