"""The child's side of reading in a process: `python -m bench.system.reading.child PIPE PARENT MEMORY`.

Started by `Reader`. Requests are lines of JSON on standard input, {"module", "function", "arguments"}; answers go to
PIPE, packed. Nothing of the project that loads torch is imported here, unless a function's own module does.
"""

import ctypes
import importlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.errors import DataMissing
from bench.system.reading.values import Value, pack

PDEATHSIG = 1  # PR_SET_PDEATHSIG of prctl(2)


def answer(function: Callable[..., Value], arguments: list[Any]) -> dict[str, Value]:
    """Call `function` and return its result, or how it failed, as a dictionary of one key.

    result    what it returned
    sentence  the text of a DataMissing that it raised
    memory    true, where the limit of memory was met
    broke     the name of any other exception
    """
    try:
        return {"result": function(*arguments)}
    except DataMissing as error:
        return {"sentence": str(error)}
    except MemoryError:
        return {"memory": True}
    except RecursionError:
        return {"broke": "it is nested too deeply"}
    except Exception as error:  # a damaged file may break any line of its reader
        return {"broke": type(error).__name__}


def main() -> None:
    """Answer until standard input ends, which it does with the parent.

    Words of the command line: the file descriptor for answers, the id of the parent, and the bytes of
    memory that a call may take.
    """
    pipe, parent, memory = (int(word) for word in sys.argv[1:4])
    if sys.platform == "linux":
        # The end of standard input is noticed between requests only; a busy child has to be ended by the system.
        ctypes.CDLL(None).prctl(PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it died before the request above
        return
    _lower(resource.RLIMIT_CORE, 0)  # a crash should leave no dump of gigabytes
    _lower(resource.RLIMIT_FSIZE, 0)  # no byte into any file
    space = resource.getrlimit(resource.RLIMIT_AS)
    with os.fdopen(pipe, "wb") as answers:
        for line in sys.stdin.buffer:
            request = json.loads(line)
            resource.setrlimit(resource.RLIMIT_AS, space)  # imports do not count
            try:
                function = getattr(importlib.import_module(request["module"]), request["function"])
            except Exception as error:  # too little memory for its libraries, mostly
                answers.write(pack({"start": f"{type(error).__name__}: {error}"}))
                break
            _limit(memory)
            answers.write(pack(answer(function, request["arguments"])))
            answers.flush()


def _limit(memory: int) -> None:
    """Allow `memory` more bytes of address space than are in use; no limit where /proc does not tell the use."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return
    _lower(resource.RLIMIT_AS, pages * resource.getpagesize() + memory)


def _lower(kind: int, value: int) -> None:
    """Set a soft limit to `value`, or leave it where it is lower; the hard limit stays, so it can be raised again."""
    soft, hard = resource.getrlimit(kind)
    known = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(kind, (min([value, *known]), hard))


if __name__ == "__main__":
    main()
