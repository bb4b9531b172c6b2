"""What standard output and error can take, and who asks to stop: settled once, when a command begins.

Terminals and pipes have encodings without many signs of tables, and names in files hold whatever people wrote: neither
should end a command with an error.
"""

import codecs
import io
import os
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from bench.errors import make_printable

if TYPE_CHECKING:
    from rich.text import Text

HANDLER = "mtlbench.stand_in"
# One character for one, so that columns stay aligned.
STAND_INS = {"Δ": "D", "↑": "^", "↓": "v", "←": "<", "→": ">", "—": "-", "–": "-", "†": "+", "·": "*", "…": "~"}
STAND_INS |= {
    "─": "-",
    "━": "-",
    "│": "|",
    "×": "x",
    "±": "~",
    "≤": "<",
    "≥": ">",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
}


def replace_missing_signs(error: UnicodeError) -> tuple[str, int]:
    """Error handler of codecs: (replacement, position after it) for characters that an encoding lacks.

    Signs of tables become one ASCII character, so that columns stay aligned; other characters become escapes.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    signs = [STAND_INS.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in text]
    return "".join(signs), error.end


def settle_streams() -> None:
    """Make standard output and error take every text, whatever their encoding.

    That includes bytes of file names which are no text in it.
    """
    codecs.register_error(HANDLER, replace_missing_signs)
    for stream in (sys.stdout, sys.stderr):
        # Tests and notebooks put other objects there, which take every text.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def takes_everything(stream: TextIO) -> bool:
    """Whether a stream's encoding has every character.

    The UTF encodings have; others, and unknown ones, are taken not to.
    """
    try:
        return codecs.lookup(stream.encoding or "ascii").name.startswith("utf")
    except LookupError:
        return False


def text_cell(text: object) -> "Text":
    """A text of somebody else's as a cell of a table of rich: no markup, no control characters.

    Names of methods and tasks come from plug-ins and records, and `[bold]` in one should be shown, not obeyed.
    """
    from rich.text import Text

    return Text(make_printable(str(text)))


def leave_at_once(number: int, frame: FrameType | None) -> None:
    """Handler of SIGINT: end the process without a word, with exit code 130.

    Nothing is cleaned up, which a second Ctrl-C asks for; only the cursor, hidden by progress bars, is shown again.
    """
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(2, b"\x1b[?25h")  # bars of progress hide the cursor
    os._exit(128 + number)


def pass_on_interrupt(unraisable: "sys.UnraisableHookArgs") -> None:
    """Hook for errors that Python cannot raise where they occur, as in the callback of a weak reference.

    An interrupt that falls there is sent again, so that it is neither lost nor printed as a traceback.
    """
    if unraisable.exc_type is not None and issubclass(unraisable.exc_type, KeyboardInterrupt):
        # From another thread and a moment later: what is raised here is lost as well.
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(unraisable)


def settle_interrupts() -> None:
    """From here on Ctrl-C ends the process at once; where it is ignored, it stays ignored.

    Called after the first Ctrl-C, when nothing is left to do but to leave.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, leave_at_once)
