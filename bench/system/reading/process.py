"""The process that reads, seen from the one that asks."""

import contextlib
import errno
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from bench.errors import DataMissing, make_printable
from bench.system.reading.values import NotAValue, Value, unpack

CHUNK = 1 << 20
QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}  # `::`: no plugins of HDF5


@dataclass(frozen=True)
class ReadLimits:
    """What one answer may take: seconds, megabytes of memory beyond an idle reader's, and megabytes of arrays."""

    seconds: float = 120.0
    memory_mb: int = 2048
    answer_mb: int = 1024


class Reader:
    """A process of its own in which functions read files that come from others.

    It is started when it is first asked, and again after a crash. It answers in arrays, texts and numbers, writes no
    file, and ends with this process, however that ends.
    """

    def __init__(self, limits: ReadLimits | None = None) -> None:
        self.limits = limits or ReadLimits()
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = -1

    def ask(self, function: Callable[..., Value], *arguments: str | int, about: str) -> Value:
        """What `function` makes of `arguments` there; it is found by the name of its module and its own.

        DataMissing, in one sentence that begins with `about`, where there is no answer: it raised, it crashed, or it
        took more than the limits allow. A DataMissing of its own is raised as it is.
        """
        request = {"module": function.__module__, "function": function.__qualname__, "arguments": arguments}
        end = time.monotonic() + self.limits.seconds
        try:
            stdin = self._started().stdin
            assert stdin is not None
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
            found = unpack(lambda count: self._receive(count, end), self.limits.answer_mb << 20)
        except (EOFError, BrokenPipeError):
            raise DataMissing(f"{about} cannot be read: {self._crash()}.") from None
        except TimeoutError:
            self.close()
            seconds = f"{self.limits.seconds:g} seconds"
            raise DataMissing(f"{about} cannot be read: its reader was ended after {seconds}, its limit.") from None
        except NotAValue as error:
            self.close()
            raise DataMissing(f"{about} cannot be read: {error}.") from error
        except OSError as error:
            self.close()
            remedy = "; raise `ulimit -n`" if error.errno in (errno.EMFILE, errno.ENFILE) else ""
            remedy = "; it needs more memory" if error.errno in (errno.ENOMEM, errno.EAGAIN) else remedy
            raise DataMissing(
                f"{about} cannot be read: a process for it could not be started ({error.strerror}){remedy}."
            ) from error
        except BaseException:
            self.close()
            raise
        return self._told(found, about)

    def close(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdin is not None
            with contextlib.suppress(OSError):  # there may be what it was not told yet
                process.stdin.close()
            os.close(self._answers)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            ours, theirs = os.pipe()
            words = [str(number) for number in (theirs, os.getpid(), self.limits.memory_mb << 20)]
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-B", "-W", "ignore", "-m", "bench.system.reading.child", *words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs],
                    start_new_session=True,
                    env={**os.environ, **QUIET, "PYTHONPATH": _search_path()},
                )
            except BaseException:
                os.close(ours)
                raise
            finally:
                os.close(theirs)
            self._answers = ours
        return self._process

    def _receive(self, count: int, end: float) -> bytearray:
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        found = bytearray()
        while len(found) < count:
            if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
                raise TimeoutError
            data = os.read(self._answers, min(CHUNK, count - len(found)))
            if not data:
                raise EOFError
            found += data
        return found

    def _crash(self) -> str:
        """How the process ended by itself, for a sentence."""
        assert self._process is not None
        try:
            code = self._process.wait(5)
        except subprocess.TimeoutExpired:
            code = 0
        self.close()
        if code == -signal.SIGKILL:
            return "its reader was killed, as a system that runs out of memory does"
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"it crashed its reader ({how}), as damaged files do"

    def _told(self, found: Value, about: str) -> Value:
        if not isinstance(found, dict):
            found = {}
        if "result" in found:
            return found["result"]
        if "sentence" in found:
            raise DataMissing(make_printable(str(found["sentence"])))
        if "memory" in found:
            raise DataMissing(f"{about} cannot be read: that takes more than {self.limits.memory_mb:,} MB of memory.")
        if "start" in found:
            self.close()
            raise DataMissing(
                f"{about} cannot be read: its reader did not start ({make_printable(str(found['start']), 200)})."
            )
        raise DataMissing(f"{about} cannot be read: it is damaged ({make_printable(str(found.get('broke')), 200)}).")


def read_in_process(
    function: Callable[..., Value], path: Path, *arguments: str | int, name: str = "", limits: ReadLimits | None = None
) -> Value:
    """What `function` makes of `path` (as a text) and `arguments` in a process of its own; DataMissing as `Reader.ask`.

    name: what the file is called in sentences, where that is not its own name.
    """
    with Reader(limits) as reader:
        return reader.ask(function, str(path), *arguments, about=f"`{make_printable(name or path.name, 200)}`")


def _search_path() -> str:
    """Where modules are found here, without the current folder: files in it may be called like any module."""
    root = str(Path(__file__).parents[3])
    others = [folder for folder in sys.path if os.path.isabs(folder) and folder != os.getcwd()]
    return os.pathsep.join(dict.fromkeys([root, *others]))
