"""wandb mirrors a record: an offline run parsed with wandb's own message types."""

import json
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.cli.main import main
from leaderboard.store import Store

ARGUMENTS = ["run", "synthetic:tasks=2", "hard", "--jobs", "1", "--device", "cpu", "--set", "epochs=3"]


def log_entries(data: bytes) -> Iterator[bytes]:
    """The entries of wandb's transaction log: LevelDB's format, 32 KiB blocks of (crc 4, length 2, type 1, bytes)."""
    position, entry = 7, b""  # after the file's own header
    while position + 7 <= len(data):
        if 32768 - position % 32768 < 7:  # a block's end too short for a header is padding
            position += 32768 - position % 32768
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        entry += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # a whole entry, or the last part of one
            yield entry
            entry = b""


def read_back(folder: Path) -> dict[str, Any]:
    """Config, history and summary of the one offline run under `folder`."""
    from wandb.proto import wandb_internal_pb2

    [path] = folder.rglob("run-*.wandb")
    found: dict[str, Any] = {"config": {}, "history": [], "summary": {}}
    for data in log_entries(path.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("run"):
            found["config"] |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
            found["group"] = record.run.run_group
        if record.HasField("history"):
            row = {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
            found["history"].append(row)
        if record.HasField("summary"):
            found["summary"] |= {
                "/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.summary.update
            }
    return found


def test_offline_run_equals_the_record(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_DIR", raising=False)
    assert main([*ARGUMENTS, "--store", "store", "--wandb", "offline"]) == 0
    [record] = Store(tmp_path / "store").read().records
    mirrored = read_back(tmp_path / "wandb")
    assert mirrored["config"]["run_id"] == record.run_id
    assert mirrored["config"]["protocol"]["epochs"] == 3
    assert mirrored["group"] == "synthetic-tasks-2"
    assert [row["train_loss/task00"] for row in mirrored["history"]] == record.curves.train_loss["task00"]
    assert [row["val/task01/rmse"] for row in mirrored["history"]] == record.curves.val["task01"]["rmse"]
    assert mirrored["summary"]["test/val/task00/rmse"] == record.scores["val"]["task00"]["rmse"]
    assert mirrored["summary"]["digest"] == record.digest


def test_off_imports_nothing(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from bench.plan import plan; from bench.cli.execute import StoredCell\n"
        "[spec] = plan('synthetic', ['hard'], [0], {'epochs': '1', 'steps_per_epoch': '2'}, 'cpu')\n"
        f"assert StoredCell(Path({str(tmp_path / 'store')!r}), Path())(spec, lambda *_: None) == 'done'\n"
        "assert 'wandb' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
