"""A method's file with a body of its own, and processes as the system lists them."""

import os
from pathlib import Path

FOREVER = str(4_000_000 + os.getpid())  # seconds, and a word that no other process has in its command
METHOD = '''
import os, signal, subprocess, sys, time
from bench.api import Sharing, register
from bench.sharing.hard import Hard

FOREVER = {forever!r}
{top}


@register("odd")
class Odd(Hard):
    """x = y.

    split: as in `hard`.
    """

    forked = False

    @classmethod
    def fork(cls):
        cls.forked = cls.forked or os.fork() or os.setsid() or time.sleep(4322) or True

    def forward(self, inputs, state):
        {body}
        return super().forward(inputs, state)
'''


def method(body: str = "pass", top: str = "") -> str:
    """The text of a method whose `forward` begins with `body`, in a file that begins with `top`."""
    return METHOD.format(forever=FOREVER, body=body, top=top)


def living(words: str) -> list[int]:
    """Processes with `words` in their command."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if words.encode() in (entry / "cmdline").read_bytes().replace(b"\0", b" "):
                found.append(int(entry.name))
        except OSError:
            continue
    return found
