"""Folders, links and pipes where files of a store should be: named or passed over by every command that reads it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.execution.keep import Made
from leaderboard.store import Store
from tests.bench.execution.tables import TINY, cell, tiny

WORDS = ["run", "tiny", "hard", "single_task", "--plugin", str(TINY), "--device", "cpu", "--jobs", "1"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """With the record of `hard`, and none of `single_task`."""
    root = tmp_path / "store"
    assert cell(root)(tiny(seeds=1)[1], lambda *_: None) == "done"
    return Store(root)


def folder(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "more.json").write_text("{}")


def link(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/dev/zero")


def pipe(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


def test_a_folder_in_the_place_of_a_record_is_said_before_training(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.path(tiny(seeds=1)[0])
    folder(path)
    monkeypatch.setattr("bench.execution.execute.Execution.run_missing", None)  # nothing is trained
    assert main([*WORDS, "--store", str(store.root)]) == 1
    said = f"mtlbench: `{path}` should be a record or nothing. Found a folder; remove it.\n"
    assert capsys.readouterr().err == said


def test_after_changed_settings_the_table_that_shows_them_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, "--store", str(tmp_path / "changed"), "--set", "lr=0.02"]
    assert main(words) == 0
    told = f"`mtlbench table tiny --where lr=0.02 --store {tmp_path / 'changed'} --plugin "
    assert told in capsys.readouterr().err
    assert main(["table", "tiny", "--where", "lr=0.02", "--store", str(tmp_path / "changed"), "--format", "csv"]) == 0
    assert "tiny,hard" in capsys.readouterr().out.replace("tiny,tiny", "tiny")


@pytest.mark.parametrize("up", [0, 1])
def test_so_is_a_file_in_the_place_of_a_folder(
    up: int, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Store(tmp_path / "other").path(tiny(seeds=1)[0]).parents[up]
    path.parent.mkdir(parents=True)
    path.write_text("")
    assert main([*WORDS, "--store", str(tmp_path / "other")]) == 1
    said = f"mtlbench: `{path}` should be a folder of records. Found something else; remove it.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("put", [link, pipe])
def test_a_link_or_a_pipe_gives_way_to_the_record(put: Callable[[Path], None], store: Store) -> None:
    spec = tiny(seeds=1)[0]
    put(store.path(spec))
    assert not store.has_done(spec)
    store.check_place(spec)
    assert cell(store.root)(spec, lambda *_: None) == "done"
    assert store.has_done(spec)


@pytest.mark.parametrize("put", [folder, link, pipe])
@pytest.mark.parametrize("what", ["record", "checks", "panel", "note"])
def test_what_reads_a_store_names_it_or_passes_it_over(
    put: Callable[[Path], None], what: str, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tiny(seeds=1)[0]
    places = {
        "record": store.path(spec),
        "checks": store.root / "verified.jsonl",
        "panel": store.path(spec).with_suffix(".0.png"),
        "note": store.root / ".live" / "1-0-a.json",
    }
    put(places[what])
    name, problems = places[what].relative_to(store.root).as_posix(), store.read().problems
    named = [problem.path for problem in problems]
    if what == "record" or (what != "note" and put is not pipe):
        assert named == [name]
        assert "more.json" not in str(problems)
    else:
        assert named == []
    assert main(["table", "tiny", "--store", str(store.root), "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert "tiny,hard" in out.replace("tiny,tiny", "tiny")
    assert err.count("skipped") == len(named)
    assert main(["verify", str(store.root)]) == (1 if named else 0)
    out, err = capsys.readouterr()
    endings = {"": "1 record valid, 0 not.\n", "record": "1 record valid, 1 not.\n"}
    assert out.endswith(endings.get(what if named else "", "1 record valid, 0 not; 1 other problem.\n"))
    assert main(["site", "--store", str(store.root), "--out", str(tmp_path / "site")]) == 0
    assert "Traceback" not in err + capsys.readouterr().err


def test_a_folder_in_the_place_of_a_panel_costs_no_run(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tiny(seeds=1)[1]
    record = store.get(spec)
    assert record is not None
    folder(store.path(spec).with_suffix(".0.png"))
    assert cell(store.root).keep(Made(record, [b"a picture"])) == "done"
    assert f"The panels of run {spec.run_id} are not stored (Is a directory)." in capsys.readouterr().err
    assert store.has_done(spec)
