"""Starts a player, holds it to its limits, and measures from outside what its requests use.

`Player` is the judge's handle on the confined process (`bench.judge.player`), `Request` one conversation with it. A
thread watches time, memory, processes and output, and kills everything that descends from the player where one of them
is exceeded.
"""

import json
import math
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.errors import count_nouns, make_printable
from bench.judge.channel import Channel, ChannelError, Message
from bench.judge.confinement import choose_confinement, confine
from bench.judge.limits import Limits, OutputReader
from bench.judge.watched import watch_folders
from bench.system.processes import list_descendants, read_processor_seconds, read_resident_bytes

START_SECONDS = 120.0  # for the imports of a player, on a machine with a slow or busy disk
TAIL_CHARACTERS = 300  # of its output, which a sentence about its end quotes
KILL_ROUNDS = 100  # attempts at killing everything, since it may go on to start processes meanwhile


class PlayerFailed(Exception):
    """The player broke a limit or the protocol of a request; the message is one sentence for a record."""


@dataclass(frozen=True)
class Usage:
    """What a request used, measured outside of the process that ran the method.

    `seconds` are seconds of all processors, `peak_mb` the largest resident memory of the copy that answered, in MiB.
    """

    seconds: float  # of processors
    peak_mb: float


class Player:
    """A confined process that runs one method's file, request after request, each in a fresh copy of it.

    A context manager: entering starts the process and waits for its imports, leaving ends it and all it started.

    Args:
        limits: What it and all its descendants may use together; the clock starts when it is ready.
        readable: Folders that it sees beside the installation.
        watched: Stores that are compared before and after, where there is no sandbox. `troubles` has a sentence for
            each that changed once the context is over.
        gpu: Whether it sees the GPUs.
        hide_scans: Whether the labelled data sets of scikit-learn are hidden from it.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        readable: Sequence[Path] = (),
        watched: Sequence[Path] = (),
        gpu: bool = False,
        hide_scans: bool = True,
    ) -> None:
        self.limits, self.confinement = limits, choose_confinement()
        self.deadline = math.inf  # until it is ready: imports are not the method's
        self.troubles: list[str] = []
        self._options: dict[str, Any] = {"readable": readable}
        self._options |= {"gpu": gpu, "hide_scans": hide_scans}
        self._watched = watched if self.confinement == "limits" else ()
        self._reason = ""
        self._conversation: socket.socket | None = None  # the open end of the conversation that is going on
        self._processor_times: dict[int, float] = {}  # process -> seconds of the processor, as they were seen to grow

    def __enter__(self) -> Self:
        """Start it. Raises PlayerFailed where it is not ready after START_SECONDS."""
        with ExitStack() as stack:
            scratch = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="mtlbench-", ignore_cleanup_errors=True))
            )
            self._control, theirs = socket.socketpair()
            stack.enter_context(self._control)
            stack.enter_context(theirs)  # closed once the process has its own, and where it never starts
            words = ["-P", "-m", "bench.judge.player", str(theirs.fileno()), str(self.limits.grace)]
            self.troubles = stack.enter_context(watch_folders(self._watched))
            self._confined = confined = confine(words, self.confinement, scratch, **self._options)
            self.process = subprocess.Popen(
                confined.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=confined.environment,
                cwd=confined.folder,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
            theirs.close()
            assert self.process.stdout is not None
            self._output = OutputReader(self.process.stdout)
            stack.callback(self._end)
            threading.Thread(target=self._watch, daemon=True).start()
            self._control.settimeout(START_SECONDS)
            if self._read_line() != b"ready":
                raise PlayerFailed(self._explain("It could not be started"))
            self._control.settimeout(None)
            self.deadline = time.monotonic() + self.limits.seconds
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked for more: it runs, and broke no limit."""
        return self.process.poll() is None and not self._reason

    @contextmanager
    def request(self, kind: str, values: Mapping[str, Any]) -> Iterator["Request"]:
        """Ask for something in a fresh copy of the player; at the end of the block the copy and all it started end.

        `kind` is a key of `bench.judge.requests.REQUESTS`, `values` what a channel can carry. Raises PlayerFailed where
        the player does not answer, breaks a limit, or leaves processes behind.
        """
        ours, theirs = socket.socketpair()
        self._processor_times, before = {}, self._read_processor_times()
        try:
            socket.send_fds(self._control, [b"r"], [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise PlayerFailed(self._explain("It ended")) from error
        finally:
            theirs.close()
        request, self._conversation = Request(Channel(ours, self.limits.memory_mb << 20), self), ours
        try:
            request.send(kind, values)
            yield request
        finally:
            self._conversation = None
            ours.close()
            usage, worked = self._finish(), self._processor_times
            seen = sum(seconds - before.get(pid, 0.0) for pid, seconds in worked.items())
            # Who asks not to be told of the end of its children is not told what they used either: those were seen.
            request.usage = Usage(max(usage.seconds, seen), usage.peak_mb)

    def _read_processor_times(self) -> dict[int, float]:
        """process -> processor seconds so far, of the player and all its descendants."""
        return {pid: read_processor_seconds(pid) for pid in list_descendants(self.process.pid)}

    def _finish(self) -> Usage:
        """Release the copy that answered, wait for its end, and return what it used.

        Raises PlayerFailed where it printed too much, changed the project's code, left processes running or files that
        could not be removed, or ended the interpreter.
        """
        with suppress(OSError):
            self._control.send(b"e")
        report = self._read_report()
        if report is None:
            raise PlayerFailed(self._explain("It ended the process that runs it"))
        if self._output.total > self.limits.output:
            raise PlayerFailed(
                f"It printed {self._output.total:,} bytes, where at most {self.limits.output:,} are allowed."
            )
        if changed := self._confined.explain_changes():
            raise PlayerFailed(changed)
        if report["left"]:
            left = report["left"]
            what = count_nouns(left, "process", "processes")
            raise PlayerFailed(f"It left {what} running, which should end with it; they were ended.")
        if not report["ended"]:
            raise PlayerFailed("Not everything that it started could be ended.")
        if not report["clean"]:
            self._reason = "Not everything that it wrote could be removed."
            self._kill(list_descendants(self.process.pid))
            raise PlayerFailed(self._reason)
        if report["code"]:
            raise PlayerFailed(self._explain(f"It ended the interpreter (exit code {report['code']})"))
        return Usage(report["seconds"], report["peak_mb"])

    def _read_report(self) -> dict[str, Any] | None:
        """What the first process of the player reports of the copy that ended; None where it sent something else."""
        try:
            content = json.loads(self._read_line() or b"null")
            return content if isinstance(content, dict) else None
        except ValueError:
            return None

    def _read_line(self) -> bytes:
        """One line from the player's first process, at most 64 KiB; shorter where it left or time is over."""
        line = b""
        with suppress(OSError):
            while not line.endswith(b"\n") and len(line) < 1 << 16 and (more := self._control.recv(1)):
                line += more
        return line.strip()

    def explain_end(self) -> str:
        """Why the player left a conversation, in one sentence: the limit that it broke, or the end of its output."""
        return self._explain("It ended before it answered")

    def _explain(self, what: str) -> str:
        """`what`, a clause without its full stop, with the end of the player's output.

        Where it broke a limit that sentence is returned instead, since it explains everything after it.
        """
        if self._reason:
            return self._reason
        last = make_printable(" ".join(self._output.text.split())[-TAIL_CHARACTERS:])
        return f"{what}{': ' + last if last else ''}."

    def _watch(self) -> None:
        """Hold everything that the player started to the limits, four times a second; ends with the player.

        Memory is the sum of resident memory, in which shared pages count once per process: a bound, not a measurement.
        Processor times are noted on the way, since a process that has ended cannot be asked any more.
        """
        limits = self.limits
        while self.process.poll() is None:
            members = list_descendants(self.process.pid)
            used = sum(map(read_resident_bytes, members))
            self._processor_times |= {
                pid: max(self._processor_times.get(pid, 0.0), read_processor_seconds(pid)) for pid in members
            }
            if time.monotonic() > self.deadline:
                self._reason = f"It was ended after {limits.seconds:g} seconds, which is its limit."
            elif used > limits.memory_mb << 20:
                self._reason = (
                    f"It was ended for using {used >> 20:,} MB of memory, where {limits.memory_mb:,} are allowed."
                )
            elif len(members) > limits.processes:
                self._reason = (
                    f"It was ended for running {len(members)} processes, where {limits.processes} are allowed."
                )
            elif self._output.total > 4 * limits.output:
                self._reason = f"It printed {self._output.total:,} bytes, where at most {limits.output:,} are allowed."
            if self._reason:
                break
            time.sleep(0.25)
        self._hang_up()

    def _hang_up(self) -> None:
        """Kill everything, and shut the sockets.

        A process may have escaped with its end of a conversation; without the second step a reader would wait for it
        for ever.
        """
        for _ in range(KILL_ROUNDS):
            self._kill(list_descendants(self.process.pid))
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        for connection in (self._conversation, self._control):
            with suppress(OSError, AttributeError):
                connection.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]

    def _end(self) -> None:
        """Close the control socket, on which the player ends by itself with all it started; kill it after 5 seconds."""
        self._control.close()  # on which it ends by itself, with all it started
        try:
            self.process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._kill(list_descendants(self.process.pid))
            self.process.wait()
        self._output.finish()

    def _kill(self, members: set[int]) -> None:
        """SIGKILL to the player and `members`, those that have ended already aside."""
        for pid in {self.process.pid, *members}:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, 9)


class Request:
    """One conversation with a player. `usage` is set when the block of `Player.request` is over."""

    usage: Usage

    def __init__(self, channel: Channel, player: Player) -> None:
        self._channel, self._player = channel, player

    def send(self, kind: str, values: Mapping[str, Any]) -> None:
        """Send a message. Raises PlayerFailed where nobody listens any more."""
        try:
            self._channel.send(kind, values)
        except ChannelError as error:
            raise PlayerFailed(self._player.explain_end()) from error

    def receive(self, *kinds: str) -> Message:
        """Wait for the next answer, which should be of one of `kinds`.

        Raises:
            MethodFailed: The method raised an exception.
            PlayerFailed: The player left, sent something malformed, or answered another kind.
        """
        try:
            message = self._channel.receive()
        except ChannelError as error:
            text = str(error)
            raise PlayerFailed(self._player.explain_end() if "left" in text else f"What it sent: {text}.") from error
        if message.kind == "failed":
            raise MethodFailed(message.values)
        if message.kind not in kinds:
            raise PlayerFailed(
                f"It answered `{make_printable(message.kind, 40)}`, where {' or '.join(kinds)} is expected."
            )
        return message


class MethodFailed(Exception):
    """The method raised an exception: its type, message and place, as they were sent.

    `is_usage` says that it was a UsageError: a wrong argument, not a fault in the code. Texts are cut and made
    printable, since the method chose them.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.type, self.message, self.where = (
            make_printable(text, 500) if isinstance(text := values.get(name), str) else "unknown"
            for name in ("type", "message", "where")
        )
        self.is_usage = values.get("usage") is True
        super().__init__(self.message)
