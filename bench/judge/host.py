"""Starts a player, holds it to its limits, and measures from outside what its requests use."""

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

from bench.errors import make_printable
from bench.judge.channel import Channel, ChannelError, Message
from bench.judge.confinement import choose_confinement, confine
from bench.judge.limits import Limits, Listener
from bench.judge.watched import watch_folders
from bench.system.processes import descendants, processor_seconds, read_resident_bytes

START_SECONDS = 120.0  # for the imports of a player
LAST_WORDS = 300  # characters of its output
ROUNDS = 100  # of killing what goes on to start processes


class PlayerFailed(Exception):
    """The player did not do what was asked of it; the message is one sentence."""


@dataclass(frozen=True)
class Usage:
    """What a request used, measured outside of the process that ran the method."""

    seconds: float  # of processors
    peak_mb: float


class Player:
    """A confined process that runs one method's file, request after request, each in a fresh copy of it.

    `readable` are folders that it sees beside the installation. Where there is no sandbox, `watched` stores are
    compared before and after, and `troubles` has a sentence for each that changed when the context is over.
    `hide_scans` hides the labelled data that come with scikit-learn.
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
        self._asked: socket.socket | None = None  # the open end of the conversation that is going on
        self._worked: dict[int, float] = {}  # process -> seconds of the processor, as they were seen to grow

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            scratch = Path(
                stack.enter_context(tempfile.TemporaryDirectory(prefix="mtlbench-", ignore_cleanup_errors=True))
            )
            self._control, theirs = socket.socketpair()
            stack.enter_context(self._control)
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
            self._heard = Listener(self.process.stdout)
            stack.callback(self._end)
            threading.Thread(target=self._watch, daemon=True).start()
            self._control.settimeout(START_SECONDS)
            if self._line() != b"ready":
                raise PlayerFailed(self._explain("It could not be started"))
            self._control.settimeout(None)
            self.deadline = time.monotonic() + self.limits.seconds
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked for more."""
        return self.process.poll() is None and not self._reason

    @contextmanager
    def request(self, kind: str, values: Mapping[str, Any]) -> Iterator["Request"]:
        """Ask for something in a fresh copy of the player; at the end of the block the copy and all it started end.

        Raises PlayerFailed where it does not answer, breaks a limit, or leaves processes behind.
        """
        ours, theirs = socket.socketpair()
        self._worked, before = {}, self._work()
        try:
            socket.send_fds(self._control, [b"r"], [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise PlayerFailed(self._explain("It ended")) from error
        finally:
            theirs.close()
        request, self._asked = Request(Channel(ours, self.limits.memory_mb << 20), self), ours
        try:
            request.send(kind, values)
            yield request
        finally:
            self._asked = None
            ours.close()
            usage, worked = self._finish(), self._worked
            seen = sum(seconds - before.get(pid, 0.0) for pid, seconds in worked.items())
            # Who asks not to be told of the end of its children is not told what they used either: those were seen.
            request.usage = Usage(max(usage.seconds, seen), usage.peak_mb)

    def _work(self) -> dict[int, float]:
        return {pid: processor_seconds(pid) for pid in descendants(self.process.pid)}

    def _finish(self) -> Usage:
        """Let the copy end: what it used. Raises PlayerFailed where it did not end as it should."""
        with suppress(OSError):
            self._control.send(b"e")
        report = self._report()
        if report is None:
            raise PlayerFailed(self._explain("It ended the process that runs it"))
        if self._heard.total > self.limits.output:
            raise PlayerFailed(
                f"It printed {self._heard.total:,} bytes, where at most {self.limits.output:,} are allowed."
            )
        if changed := self._confined.explain_changes():
            raise PlayerFailed(changed)
        if report["left"]:
            left = report["left"]
            what = "a process" if left == 1 else f"{left} processes"
            raise PlayerFailed(f"It left {what} running, which should end with it; they were ended.")
        if not report["ended"]:
            raise PlayerFailed("Not everything that it started could be ended.")
        if not report["clean"]:
            self._reason = "Not everything that it wrote could be removed."
            self._kill(descendants(self.process.pid))
            raise PlayerFailed(self._reason)
        if report["code"]:
            raise PlayerFailed(self._explain(f"It ended the interpreter (exit code {report['code']})"))
        return Usage(report["seconds"], report["peak_mb"])

    def _report(self) -> dict[str, Any] | None:
        """What the first process of the player says of the copy that ended."""
        try:
            content = json.loads(self._line() or b"null")
            return content if isinstance(content, dict) else None
        except ValueError:
            return None

    def _line(self) -> bytes:
        line = b""
        with suppress(OSError):
            while not line.endswith(b"\n") and len(line) < 1 << 16 and (more := self._control.recv(1)):
                line += more
        return line.strip()

    def explain_end(self) -> str:
        """Why the player left a conversation, in one sentence."""
        return self._explain("It ended before it answered")

    def _explain(self, what: str) -> str:
        if self._reason:
            return self._reason
        last = make_printable(" ".join(self._heard.text.split())[-LAST_WORDS:])
        return f"{what}{': ' + last if last else ''}."

    def _watch(self) -> None:
        """Hold everything that the player started to the limits, a few times a second."""
        limits = self.limits
        while self.process.poll() is None:
            members = descendants(self.process.pid)
            used = sum(map(read_resident_bytes, members))
            self._worked |= {pid: max(self._worked.get(pid, 0.0), processor_seconds(pid)) for pid in members}
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
            elif self._heard.total > 4 * limits.output:
                self._reason = f"It printed {self._heard.total:,} bytes, where at most {limits.output:,} are allowed."
            if self._reason:
                break
            time.sleep(0.25)
        self._hang_up()

    def _hang_up(self) -> None:
        """End everything, and with it whatever waits for an answer, even where a process got away with its socket."""
        for _ in range(ROUNDS):
            self._kill(descendants(self.process.pid))
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        for connection in (self._asked, self._control):
            with suppress(OSError, AttributeError):
                connection.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]

    def _end(self) -> None:
        self._control.close()  # on which it ends by itself, with all it started
        try:
            self.process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._kill(descendants(self.process.pid))
            self.process.wait()
        self._heard.finish()

    def _kill(self, members: set[int]) -> None:
        for pid in {self.process.pid, *members}:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, 9)


class Request:
    """One conversation with a player. `usage` is there when it is over."""

    usage: Usage

    def __init__(self, channel: Channel, player: Player) -> None:
        self._channel, self._player = channel, player

    def send(self, kind: str, values: Mapping[str, Any]) -> None:
        """Say something. Raises PlayerFailed where nobody listens."""
        try:
            self._channel.send(kind, values)
        except ChannelError as error:
            raise PlayerFailed(self._player.explain_end()) from error

    def receive(self, *kinds: str) -> Message:
        """The next answer, which is of one of `kinds`. Raises PlayerFailed, with what went wrong, for any other."""
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
    """The method raised an exception: its type, message and place, as they were sent."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.type, self.message, self.where = (
            make_printable(text, 500) if isinstance(text := values.get(name), str) else "unknown"
            for name in ("type", "message", "where")
        )
        self.is_usage = values.get("usage") is True
        super().__init__(self.message)
