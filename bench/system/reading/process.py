"""The parent's side of reading in a process: starts the child, asks it, limits it, and explains how it failed."""

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

CHUNK = 1 << 20  # bytes of one read from the pipe
# One thread each: threads of BLAS take address space, which is limited. `::`: HDF5 loads no plug-ins.
QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}


@dataclass(frozen=True)
class ReadLimits:
    """Limits of one answer.

    seconds: of wall time, from the question to the last byte.
    memory_mb: of address space beyond what the child has after its imports.
    answer_mb: of all arrays of the answer together.
    """

    seconds: float = 120.0
    memory_mb: int = 2048
    answer_mb: int = 1024


class Reader:
    """A process of its own in which functions read files that come from others.

    It is started when it is first asked, and again after a crash. It answers in arrays, texts and numbers, writes no
    file, and ends with this process, however that ends. One question at a time; not for several threads.

        with Reader() as reader:
            images = reader.ask(read_images, str(path), about="`images.mat`")
    """

    def __init__(self, limits: ReadLimits | None = None) -> None:
        self.limits = limits or ReadLimits()
        self._process: subprocess.Popen[bytes] | None = None
        self._answers = -1

    def ask(self, function: Callable[..., Value], *arguments: str | int, about: str) -> Value:
        """Call `function` in the child and return what it returned.

        Args:
            function: at the top level of a module; the child imports it by name.
            arguments: texts and whole numbers, sent as JSON.
            about: what is read, the beginning of an error's sentence, as "`labels.mat`".

        Raises:
            DataMissing: the function raised it, or any other error; the child crashed, did not start, or
                went beyond a limit. One sentence says which.
        """
        request = {"module": function.__module__, "function": function.__qualname__, "arguments": arguments}
        end = time.monotonic() + self.limits.seconds
        try:
            stdin = self._start().stdin
            assert stdin is not None
            stdin.write(json.dumps(request).encode() + b"\n")
            stdin.flush()
            answer = unpack(lambda count: self._receive(count, end), self.limits.answer_mb << 20)
        except (EOFError, BrokenPipeError):
            raise DataMissing(f"{about} cannot be read: {self._explain_crash()}.") from None
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
        return self._interpret(answer, about)

    def close(self) -> None:
        """End the process, whatever it does. The next `ask` starts another."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            assert process.stdin is not None
            with contextlib.suppress(OSError):  # closing flushes, and the pipe of a dead process breaks
                process.stdin.close()
            os.close(self._answers)

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> subprocess.Popen[bytes]:
        """The child, started where none is running."""
        if self._process is None:
            ours, theirs = os.pipe()
            words = [str(number) for number in (theirs, os.getpid(), self.limits.memory_mb << 20)]
            try:
                self._process = subprocess.Popen(
                    # -P: the current folder may hold files named like modules. -B: the child may write no file.
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
                os.close(theirs)  # the child alone holds the other end, so its death is an end of file here
            self._answers = ours
        return self._process

    def _receive(self, count: int, end: float) -> bytearray:
        """Exactly `count` bytes of the answer, before the monotonic time `end`.

        Raises TimeoutError after it, EOFError where the child is gone.
        """
        poll = select.poll()
        poll.register(self._answers, select.POLLIN)
        received = bytearray()
        while len(received) < count:
            if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
                raise TimeoutError
            data = os.read(self._answers, min(CHUNK, count - len(received)))
            if not data:
                raise EOFError
            received += data
        return received

    def _explain_crash(self) -> str:
        """How the process ended by itself, for a sentence; closes what is left of it."""
        assert self._process is not None
        try:
            code = self._process.wait(5)  # its pipe is closed, so it is ending
        except subprocess.TimeoutExpired:
            code = 0
        self.close()
        if code == -signal.SIGKILL:
            return "its reader was killed, as a system that runs out of memory does"
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"it crashed its reader ({how}), as damaged files do"

    def _interpret(self, answer: Value, about: str) -> Value:
        """The result in an answer of the child; DataMissing where it holds a failure, as `child.answer` makes them."""
        if not isinstance(answer, dict):
            answer = {}
        if "result" in answer:
            return answer["result"]
        if "sentence" in answer:
            raise DataMissing(make_printable(str(answer["sentence"])))
        if "memory" in answer:
            raise DataMissing(f"{about} cannot be read: that takes more than {self.limits.memory_mb:,} MB of memory.")
        if "start" in answer:
            self.close()
            raise DataMissing(
                f"{about} cannot be read: its reader did not start ({make_printable(str(answer['start']), 200)})."
            )
        raise DataMissing(f"{about} cannot be read: it is damaged ({make_printable(str(answer.get('broke')), 200)}).")


def read_in_process(
    function: Callable[..., Value], path: Path, *arguments: str | int, name: str = "", limits: ReadLimits | None = None
) -> Value:
    """Call `function(path, *arguments)` in a process of its own and return the result; DataMissing as `Reader.ask`.

    Args:
        function: at the top level of a module; gets the path as text.
        path: of the file to read.
        arguments: further texts and whole numbers.
        name: what the file is called in sentences, where that is not its own name.
        limits: of time, memory and size; by default those of `ReadLimits`.
    """
    with Reader(limits) as reader:
        return reader.ask(function, str(path), *arguments, about=f"`{make_printable(name or path.name, 200)}`")


def _search_path() -> str:
    """The module search path of this process for the child, without the current folder.

    Files in the current folder may be named like any module, and would be imported in its place.
    """
    root = str(Path(__file__).parents[3])
    others = [folder for folder in sys.path if os.path.isabs(folder) and folder != os.getcwd()]
    return os.pathsep.join(dict.fromkeys([root, *others]))
