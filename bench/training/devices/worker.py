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

from bench.catalogue.registry import Plugin
from bench.records import RunSpec
from bench.training.devices.peers import HOST, join_group, ready_key


def main() -> None:
    """Read one job, train, then wait until stdin closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the first process decides
    job = json.loads(sys.stdin.readline())
    listening = threading.Thread(target=_leave_at_the_end, daemon=True)
    listening.start()
    # Not before: it takes seconds, in which an interrupt or the end of the parent would not be heeded.
    from bench.training.fit import Run, load_run
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


def _leave_at_the_end() -> None:
    while os.read(0, 1):
        pass
    os._exit(0)  # wherever the others are: they wait for messages that will not come


if __name__ == "__main__":
    main()
