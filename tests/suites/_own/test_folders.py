"""Own data sets: written whole or not at all, found by name, and held against their sums."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cli.main import main
from bench.errors import DataMissing, UsageError
from bench.planning.plan import parse_suite, plan
from suites._own.folders import list_own_names, write_own_set
from tests.suites._own.small_table import describe, make_columns, write_table


def list_tree(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def test_a_set_is_a_suite_by_its_name(tmp_path: Path) -> None:
    write_table(tmp_path)
    choice, suite = parse_suite("mine", tmp_path)
    assert choice.canonical == choice.short == "mine"
    assert [task.name for task in suite.tasks] == ["y", "up"]
    assert suite.protocol.metrics == {"y": "explained", "up": "ranking"}
    assert parse_suite("mine:backbone=mlp:hidden=4/4", tmp_path)[0].canonical == "mine:backbone=mlp:hidden=4/4"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")])
def test_nothing_is_left_of_a_set_that_was_not_finished(tmp_path: Path, error: BaseException) -> None:
    def fail(folder: Path) -> None:
        np.save(folder / "numbers.npy", np.zeros(9))
        raise error

    with pytest.raises(type(error)), write_own_set(tmp_path, "mine") as (folder, _):
        fail(folder)
    assert list_tree(tmp_path) == ["own"]


def test_a_set_that_is_replaced_stays_until_the_new_one_is_there(tmp_path: Path) -> None:
    before = write_table(tmp_path)
    first = json.loads((before / "set.json").read_text())["sha256"]
    tree = list_tree(tmp_path)
    with pytest.raises(UsageError, match=r"There is an own data set `mine` already; .*`--replace`"):
        write_table(tmp_path, seed=1)
    with pytest.raises(ZeroDivisionError), write_own_set(tmp_path, "mine", replace=True) as (folder, _):
        (folder / "numbers.npy").write_bytes(bytes(1 // 0))
    assert list_tree(tmp_path) == tree
    assert json.loads((before / "set.json").read_text())["sha256"] == first
    write_table(tmp_path, replace=True, seed=1)
    assert list_tree(tmp_path) == tree
    assert json.loads((before / "set.json").read_text())["sha256"] != first


def test_folders_of_dead_writers_are_removed_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    dead = tmp_path / "own" / ".old.00000000.tmp"
    dead.mkdir(parents=True)
    (dead / "numbers.npy").write_bytes(b"x")
    with write_own_set(tmp_path, "first") as (folder, _):
        write_table(tmp_path, "second")
        assert folder.is_dir()
        assert not dead.exists()
    assert list_own_names(tmp_path) == ["second"]


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "ä", "a/b", "../a", "a" * 65])
def test_names_are_those_of_the_command_line(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="letters, digits"), write_own_set(tmp_path, name):
        pass
    assert list_tree(tmp_path) == []


def test_other_bytes_are_other_runs_and_damage_is_named(tmp_path: Path) -> None:
    folder = write_table(tmp_path)
    [spec] = plan("mine", ["hard"], [0], data_dir=tmp_path)
    write_table(tmp_path, "other")
    assert plan("other", ["hard"], [0], data_dir=tmp_path)[0].data == spec.data
    write_table(tmp_path, replace=True, seed=1)
    assert plan("mine", ["hard"], [0], data_dir=tmp_path)[0].data != spec.data
    np.save(folder / "targets.npy", make_columns(2)["targets"])
    _, suite = parse_suite("mine", tmp_path)
    assert suite.data_status()["targets.npy"] == "damaged"
    with pytest.raises(DataMissing, match="should be as it was imported"):
        suite.checksums()
    (folder / "targets.npy").unlink()
    with pytest.raises(DataMissing, match="should be as it was imported"):
        suite.checksums()


def test_what_decides_about_numbers_is_in_the_sums(tmp_path: Path) -> None:
    def sums(**changes: Any) -> dict[str, str]:
        write_table(tmp_path, replace=True, **changes)
        return parse_suite("mine", tmp_path)[1].checksums()

    own = sums()
    assert sums(provenance={"file": "other.csv"}) == own
    assert (
        sums(details=describe("x").details | {"shares": [0.5, 0.3, 0.2]}, rows={"train": 30, "val": 18, "test": 12})
        != own
    )


def test_near_misses_and_lists_have_own_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_table(tmp_path, "weather")
    monkeypatch.setenv("MTLBENCH_DATA", str(tmp_path))
    for words in (["protocol", "wether"], ["check", "wether"], ["data", "info", "wether"], ["table", "wether"]):
        assert main([*words]) == 2
        assert "`weather`" in capsys.readouterr().err
    assert main(["data", "list"]) == 0
    assert "weather        ready, 60 rows, 2 tasks\n" in capsys.readouterr().out
    codes = (folder / "codes.npy").read_bytes()
    (folder / "codes.npy").unlink()
    assert main(["data", "list"]) == 0
    assert "weather        codes.npy missing, numbers.npy ready, targets.npy ready\n" in capsys.readouterr().out
    (folder / "codes.npy").write_bytes(codes)
    (folder / "set.json").write_text('{"name": "weather"}')
    assert main(["data", "list"]) == 0
    assert "weather        damaged (" in capsys.readouterr().out
    assert main(["protocol", "weather"]) == 1
    assert "should describe an own data set. Found Field required at `kind`" in capsys.readouterr().err


def test_a_registered_suite_comes_first(tmp_path: Path) -> None:
    write_table(tmp_path, "synthetic")
    assert len(parse_suite("synthetic", tmp_path)[1].tasks) == 4


def test_it_keeps_the_contract_and_runs_in_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_table(tmp_path)
    store = tmp_path / "store"
    words = ["--store", str(store), "--data-dir", str(tmp_path), "--seeds", "0-1"]
    monkeypatch.delenv("MTLBENCH_DATA", raising=False)
    assert main(["run", "mine", "hard", *words, "--jobs", "2"]) == 0
    assert len(list(store.glob("mine/*/*.json"))) == 2
    assert main(["check", "mine", "--data-dir", str(tmp_path)]) == 0
