"""Entry point of a worker of a run on several devices: `python -m bench.training.devices.worker`.

It reads its job as one JSON line on stdin and exits when stdin closes, so that it never outlives its parent.
"""

import json
import os
import signal
import sys
import threading
from pathlib import Path

import torch
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from bench.catalogue.plugin_files import Plugin
from bench.records import RunSpec
from bench.training.devices.peers import HOST, join_group, ready_key


def main() -> None:
    """Read one job, train, then wait until stdin closes.

    The job has the specification, the rank, the port of the shared store, the number of threads, the folder of data
    and the plug-ins with their text. Errors go to stderr, whose last line rank 0 reports.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; rank 0 decides what follows
    job = json.loads(sys.stdin.readline())
    listening = threading.Thread(target=_exit_with_stdin, daemon=True)
    listening.start()
    # Not before: the imports take seconds, in which the end of the parent would go unnoticed.
    from bench.training.fit import Run
    from bench.training.load import load_run
    from bench.training.trainer import train
    from bench.training.watch import TrainingMonitor

    torch.set_num_threads(job["threads"])
    for plugin in job["plugins"]:
        Plugin.from_json(plugin).load()
    spec = RunSpec.model_validate(job["spec"])
    store = TCPStore(HOST, job["port"], is_master=False)
    store.set(ready_key(job["rank"]), "")
    ranks = join_group(store, job["rank"], spec)
    suite, method, _ = load_run(spec, job["data_dir"] and Path(job["data_dir"]))
    for member in range(spec.protocol.members):  # the training loop only: rank 0 evaluates
        run = Run(spec, suite, method, member, ranks)
        train(run.module, run.batches(run.data("train")), TrainingMonitor(run.module))
    listening.join()


def _exit_with_stdin() -> None:
    """Exit the process once stdin is closed; runs in a thread."""
    while os.read(0, 1):
        pass
    os._exit(0)  # not sys.exit: other threads wait for messages that will not come


if __name__ == "__main__":
    main()
