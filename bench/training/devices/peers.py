"""Starts and ends the worker processes of a run on several devices; rank 0 is the process that starts them.

Workers get their job on stdin and end when it closes, so that none outlives rank 0, however that ends.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from bench.catalogue.method import Method
from bench.catalogue.plugin_files import find_plugin
from bench.errors import UsageError
from bench.loop.ranks import Ranks
from bench.planning.plan import parse_suite
from bench.records import RunSpec

HOST = "127.0.0.1"  # all processes of a run are on one machine
GRACE_SECONDS = 5.0  # from closing a worker's stdin to killing it
TIMEOUT = timedelta(minutes=30)  # of one message: workers wait while rank 0 evaluates


@contextmanager
def launch_workers(spec: RunSpec, data_dir: Path | None) -> Iterator[Ranks | None]:
    """Start ranks 1 to N - 1 of a run and join their process group while the block runs; None for a run on one device.

    Workers are ended when the block is left, in whatever way.

    Raises:
        UsageError: there are fewer GPUs than devices.
        RuntimeError: a worker ended too early, with the last line it wrote, or did not start in time.
    """
    size = spec.protocol.devices
    if size == 1:
        yield None
        return
    if spec.protocol.device == "cuda" and size > torch.cuda.device_count():
        raise UsageError(
            f"`devices` should be at most the GPUs that a worker sees, {torch.cuda.device_count()}. Found `{size}`."
        )
    store = TCPStore(HOST, 0, is_master=True, wait_for_workers=False)  # port 0: any that is free
    job = {
        "spec": spec.model_dump(mode="json"),
        "data_dir": data_dir and str(data_dir),
        "plugins": _plugins(spec, data_dir),
        "port": store.port,
        "threads": torch.get_num_threads(),
    }
    peers: list[_Peer] = []
    try:
        for rank in range(1, size):
            peers.append(_Peer(job | {"rank": rank}))
        # Joining the group blocks without a way out: before it, wait until every worker is ready for it.
        late = time.monotonic() + TIMEOUT.total_seconds()
        while not store.check([ready_key(peer.rank) for peer in peers]):
            if time.monotonic() > late or any(peer.last_words() for peer in peers):
                raise RuntimeError("Every process of a run should come to its start. Found that one did not.")
            time.sleep(0.05)
        yield join_group(store, 0, spec)
    except RuntimeError as error:  # what torch raises where the other end of a message is gone
        time.sleep(1.0)  # a worker closes its connections before it exits, and only then has last words
        for peer in peers:
            if words := peer.last_words():
                raise RuntimeError(f"Process {peer.rank} of the run ended: {words}") from error
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
        for peer in peers:
            peer.end()


def _plugins(spec: RunSpec, data_dir: Path | None) -> list[dict[str, Any]]:
    """The plug-ins that suite and method come from, with their text: a worker must run the code that rank 0 read."""
    parts = [parse_suite(spec.suite, data_dir)[0], *Method.parse(spec.method).parts]
    plugins = {plugin.path: plugin for part in parts if (plugin := find_plugin(part.entry))}
    return [plugin.as_json() for plugin in plugins.values()]


def ready_key(rank: int) -> str:
    """The key of the shared store that a worker sets once it can train."""
    return f"ready/{rank}"


def join_group(store: TCPStore, rank: int, spec: RunSpec) -> Ranks:
    """Make torch's default process group, over NCCL on GPUs and gloo elsewhere; returns this process's place in it.

    Blocks until all processes of the run have called it.
    """
    on_gpu = spec.protocol.device == "cuda"
    if on_gpu:
        torch.cuda.set_device(rank)
    size = spec.protocol.devices
    dist.init_process_group("nccl" if on_gpu else "gloo", store=store, rank=rank, world_size=size, timeout=TIMEOUT)
    return Ranks(rank, size)


class _Peer:
    """A worker process. `job` is written to its stdin as one JSON line; its stderr is kept in a temporary file."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.rank: int = job["rank"]
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 (`end` closes it)
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.training.devices.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self.stderr,
                # The modules that this process can import, wherever it was started from.
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
            )
        except BaseException:
            self.stderr.close()
            raise
        assert self.process.stdin is not None
        self.input = self.process.stdin
        with suppress(BrokenPipeError):  # it has exited already, and `last_words` says why
            self.input.write(json.dumps(job).encode() + b"\n")
            self.input.flush()

    def last_words(self) -> str:
        """The last line the worker wrote to stderr, or its exit code, once it has exited; empty while it runs."""
        if self.process.poll() is None:
            return ""
        self.stderr.seek(0)
        lines = self.stderr.read().decode(errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), f"exit code {self.process.returncode}")

    def end(self) -> None:
        """Close the worker's stdin, and kill the worker if it does not exit."""
        try:
            self.input.close()
            self.process.wait(GRACE_SECONDS)
        except (OSError, subprocess.TimeoutExpired):  # it has exited already, or does not listen
            self.process.kill()
            self.process.wait()
        self.stderr.close()
