"""wandb mirrors a record: an offline run parsed with wandb's own message types."""

import json
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.cli.main import main
from bench.engines.local import call_in_clean_process
from bench.execution.cell import StoredCell
from bench.planning.plan import plan
from bench.records import ResultRecord
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
            found |= {"group": record.run.run_group, "tags": list(record.run.tags), "job_type": record.run.job_type}
        if record.HasField("history"):
            row = {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
            found["history"].append(row)
        if record.HasField("artifact"):
            found["artifact"] = record.artifact
        if record.HasField("summary"):
            found["summary"] |= {
                "/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.summary.update
            }
    return found


def test_offline_run_equals_the_record(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Configuration, curves, scores, cost and the record itself, number by number."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_DIR", raising=False)
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    assert main([*ARGUMENTS, "--store", "store", "--wandb", "offline"]) == 0
    [record] = Store(tmp_path / "store").read().records
    mirrored = read_back(tmp_path / "wandb")
    spec = record.spec.model_dump(mode="json") | {"run_id": record.run_id}
    assert {key: mirrored["config"][key] for key in spec} == json.loads(json.dumps(spec))
    assert (mirrored["group"], mirrored["job_type"]) == ("synthetic-tasks-2", "hard")
    assert mirrored["tags"] == ["seed 0", "done", "sharing=hard", "weighting=uniform"]
    for task in record.tasks:
        assert [row[f"train_loss/{task}"] for row in mirrored["history"]] == record.curves.train_loss[task]
        for metric, values in record.curves.val[task].items():
            assert [row[f"val/{task}/{metric}"] for row in mirrored["history"]] == values
    for rule, tasks in record.scores.items():
        for task, metrics in tasks.items():
            assert {m: mirrored["summary"][f"test/{rule}/{task}/{m}"] for m in metrics} == metrics
    assert record.cost is not None
    for name, value in record.cost.model_dump().items():
        assert mirrored["summary"][f"cost/{name}"] == value
    assert mirrored["summary"]["digest"] == record.digest
    artifact = mirrored["artifact"]
    assert (artifact.name, artifact.type) == (f"record-{record.run_id}", "record")
    [entry] = artifact.manifest.contents
    assert entry.path == f"{record.run_id}.json"
    assert ResultRecord.model_validate_json(Path(entry.local_path).read_text()) == record


def train_as_worker(folder: Path) -> tuple[str, bool]:
    """The status of a short run in `folder`, and whether wandb was imported for it."""
    os.chdir(folder)
    [spec] = plan("synthetic", ["hard"], [0], {"epochs": "1", "steps_per_epoch": "2"}, "cpu")
    status = StoredCell(folder / "store", Path())(spec, lambda *_: None)
    return status, "wandb" in sys.modules


def test_off_imports_nothing(tmp_path: Path) -> None:
    assert call_in_clean_process(train_as_worker, tmp_path) == ("done", False)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_online_without_a_login_is_said_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "WANDB_CONFIG_DIR", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("NETRC", "/dev/null")
    monkeypatch.chdir(tmp_path)
    assert main([*ARGUMENTS, "--store", str(tmp_path / "store"), "--wandb", "online"]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith("mtlbench: `--wandb online` should be given after `wandb login`, or with $WANDB_API_KEY.")
    assert not (tmp_path / "store").exists()


def test_what_could_not_be_mirrored_is_stored_and_mirrored_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run is done; a network that is down is no failure of it."""
    sent: list[str] = []

    def down(record: ResultRecord, mode: str, panels: object = ()) -> None:
        raise OSError("no route to host")

    def up(record: ResultRecord, mode: str, panels: object = ()) -> None:
        sent.append(record.run_id)

    [spec] = plan("synthetic:tasks=2", ["hard"], [0], {"epochs": "3"}, device="cpu")
    cell = StoredCell(tmp_path, tmp_path, wandb="offline")
    monkeypatch.setattr("bench.training.mirror.mirror", down)
    assert cell(spec, lambda *_: None) == "done"
    assert f"Run {spec.run_id} is stored, and not mirrored: no route to host; the same command tries" in (
        capsys.readouterr().err
    )
    monkeypatch.setattr("bench.training.mirror.mirror", up)
    for _ in range(2):
        assert main([*ARGUMENTS, "--store", str(tmp_path), "--wandb", "offline"]) == 0
        assert "1 were stored" in capsys.readouterr().err
    assert sent == [spec.run_id]
    assert not (tmp_path / ".unmirrored").exists()


def test_other_stored_runs_are_not_mirrored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.training.mirror.mirror", None)
    assert main([*ARGUMENTS, "--store", str(tmp_path)]) == 0
    assert main([*ARGUMENTS, "--store", str(tmp_path), "--wandb", "offline"]) == 0
