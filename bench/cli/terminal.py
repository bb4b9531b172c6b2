"""What standard output and error can take, and who is asking to stop: settled once, when a command begins."""

import codecs
import io
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from bench.errors import make_printable

if TYPE_CHECKING:
    from rich.text import Text

HANDLER = "mtlbench.stand_in"
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


def stand_in(error: UnicodeError) -> tuple[str, int]:
    """Signs of one character for those of tables that an encoding lacks; an escape for all others."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    signs = [STAND_INS.get(sign) or sign.encode("ascii", "backslashreplace").decode() for sign in text]
    return "".join(signs), error.end


def settle_streams() -> None:
    """Make standard output and error take every text, whatever their encoding; also names that are not of it."""
    codecs.register_error(HANDLER, stand_in)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=HANDLER)


def takes_everything(stream: TextIO) -> bool:
    """Whether a stream's encoding has every character."""
    try:
        return codecs.lookup(stream.encoding or "ascii").name.startswith("utf")
    except LookupError:
        return False


def text_cell(text: object) -> "Text":
    """A text of others for a table of rich: no markup, nothing that steers."""
    from rich.text import Text

    return Text(make_printable(str(text)))


def leave_at_once(number: int, frame: FrameType | None) -> None:
    """End without a word, as whoever asks again wants it."""
    if sys.stderr is not None and sys.stderr.isatty():
        os.write(2, b"\x1b[?25h")  # bars of progress hide the cursor
    os._exit(128 + number)


def settle_interrupts() -> None:
    """From here on Ctrl-C ends the process at once: what is left to do is to leave."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, leave_at_once)
