"""Distrust made cheap: every digit of a record is checked, and what was checked is kept and shown."""

import json
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cli.main import main
from bench.records import Curves, Packed, ResultRecord
from leaderboard.boards.board import Board
from leaderboard.intake.soundness import find_further_problems
from leaderboard.report.formats import write_ends
from leaderboard.report.table import tabulate
from leaderboard.store import Store, StoreContents
from leaderboard.store.committed import read_committed_suite
from leaderboard.store.walk import CHECKED, OLD_LEDGER
from leaderboard.trust.ledger import LedgerEntry, find_row_state, find_state, read_checks, write_checks

Make = Callable[..., ResultRecord]


def leaves(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every number and text."""
    if isinstance(content, dict | list):
        for key, item in content.items() if isinstance(content, dict) else enumerate(content):
            yield from leaves(item, (*path, key))
    elif content is not None:
        yield path


def changed(value: Any) -> Any:
    """The same value with one digit, letter or sign different."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case float():
            return value + 0.1 if value == 0 else value * (1 + 2**-40)
    return value[:-1] + ("0" if value[-1:] != "0" else "1")


@pytest.mark.parametrize("suite", ["multidigits", "scenes"])
def test_a_changed_digit_anywhere_is_named(suite: str, tmp_path: Path) -> None:
    target = Store(tmp_path).write(read_committed_suite(suite)[0])
    content = json.loads(target.read_text())
    assert Store(tmp_path).read().problems == []
    places = list(leaves(content))
    # every place of every kind; of long lists of numbers each tenth
    places = [place for n, place in enumerate(places) if len(place) < 5 or n % 10 == 0]
    unnoticed = []
    for place in places:
        holder = content
        for key in place[:-1]:
            holder = holder[key]
        before = holder[place[-1]]
        holder[place[-1]] = changed(before)
        target.write_text(json.dumps(content))
        holder[place[-1]] = before
        problems = Store(tmp_path).read().problems
        if [problem.path for problem in problems] != [target.relative_to(tmp_path).as_posix()]:
            unnoticed.append(place)
    assert unnoticed == []


def test_a_resealed_lie_about_a_score_is_named(make_record: Make, tmp_path: Path) -> None:
    record = make_record()
    scores = {rule: {t: {m: v + 1 for m, v in s.items()} for t, s in ts.items()} for rule, ts in record.scores.items()}
    with pytest.raises(ValueError, match="recomputed 95"):
        Store(tmp_path).write(record.model_copy(update={"scores": scores}).seal())


@pytest.mark.parametrize(
    ("update", "sentence"),
    [
        ({"matrices": {"units": Packed(shape=[3], float16="AAA=")}}, "units: Packed bytes should hold 3"),
        ({"matrices": {"units": Packed.pack(np.array([math.inf]))}}, "units: should hold finite"),
        ({"cosines": Packed.pack(np.array([[1.0, 1.5], [1.5, 1.0]]))}, r"cosines: should lie in \[-1, 1\]"),
        ({"effective_sharing": {"0.weight": 1.2}}, r"0.weight: should lie in \[0, 1\]"),
        ({"environment": {"torch": "/home/someone/torch"}}, "looks like a path"),
    ],
)
def test_what_is_out_of_range_is_named(make_record: Make, update: dict[str, Any], sentence: str) -> None:
    [problem] = find_further_problems(make_record().model_copy(update=update))
    assert re.search(sentence, problem)


def test_committed_records_have_nothing_out_of_range(committed_contents: StoreContents) -> None:
    assert [problem for record in committed_contents.records for problem in find_further_problems(record)] == []


def test_states_are_bound_to_the_bytes_and_not_taken_back(make_record: Make, tmp_path: Path) -> None:
    a, b = make_record(seed=0), make_record(seed=1)
    write_checks(tmp_path, [LedgerEntry(r.run_id, r.digest, "rerun", "equal", "v1") for r in (a,)])
    write_checks(tmp_path, [LedgerEntry(r.run_id, r.digest, "valid", "scores", "v2") for r in (a, b)])
    checks = read_checks(tmp_path)
    assert [find_state(record, checks) for record in (a, b)] == ["rerun", "valid"]
    assert write_checks(tmp_path, checks.values()) is None  # nothing new, no file
    assert find_row_state([a, b], checks) == "spot_checked"
    assert find_row_state([a], checks) == "rerun"
    write_checks(tmp_path, [LedgerEntry(a.run_id, a.digest, "reported", "differs in scores", "v3")])
    assert find_state(a, read_checks(tmp_path)) == "reported"  # a later re-run came out otherwise
    write_checks(tmp_path, [LedgerEntry(a.run_id, a.digest, "valid", "scores", "v4")])
    assert find_state(a, read_checks(tmp_path)) == "reported"  # which sound scores do not make good
    write_checks(tmp_path, [LedgerEntry(a.run_id, a.digest, "rerun", "equal", "v1")])
    other = make_record(seed=0, values={"left": 94.0, "right": 90.0})
    assert find_state(other, checks) == "reported"
    odd = json.dumps({"run_id": ["a"], "digest": a.digest, "state": "rerun", "how": "", "by": ""})
    deep = "[" * 100_000
    last = max((tmp_path / CHECKED).iterdir())
    last.write_text(f"not json\n{odd}\n{deep}\n" + last.read_text())
    assert read_checks(tmp_path) == checks


def test_later_files_are_believed_over_earlier_ones_and_over_those_of_older_stores(
    make_record: Make, tmp_path: Path
) -> None:
    record = make_record()
    entry = LedgerEntry(record.run_id, record.digest, "valid", "scores", "v0")
    (tmp_path / OLD_LEDGER).write_text(json.dumps(asdict(entry)) + "\n")
    assert find_state(record, read_checks(tmp_path)) == "valid"
    ahead = tmp_path / CHECKED / "29991231T235959.999999Z-01234567.jsonl"  # by a clock that is wrong
    ahead.parent.mkdir()
    ahead.write_text(json.dumps(asdict(entry) | {"state": "reported", "how": "differs"}) + "\n")
    assert find_state(record, read_checks(tmp_path)) == "reported"
    path = write_checks(tmp_path, [LedgerEntry(record.run_id, record.digest, "rerun", "equal", "v1")])
    assert path is not None
    assert path.name.startswith("30000101T000000.000000Z-")
    assert find_state(record, read_checks(tmp_path)) == "rerun"
    (tmp_path / CHECKED / "31000101.jsonl").write_text(ahead.read_text())  # no name of such a file
    assert find_state(record, read_checks(tmp_path)) == "rerun"


def test_states_behind_a_link_or_a_pipe_are_not_read(
    make_record: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, store, outside = make_record(), tmp_path / "store", tmp_path / "outside"
    Store(store).write(record)
    write_checks(outside, [LedgerEntry(record.run_id, record.digest, "rerun", "equal", "v1")])
    (store / CHECKED).symlink_to(outside / CHECKED)
    assert read_checks(store) == {}
    assert [problem.path for problem in Store(store).read().problems] == [CHECKED]
    (store / CHECKED).unlink()
    os.mkfifo(store / CHECKED)
    assert main(["verify", str(store)]) == 0
    assert "what was found out could not be kept (File exists)" in capsys.readouterr().err


def test_tables_show_what_was_checked(make_record: Make, tmp_path: Path) -> None:
    for seed in (0, 1):
        Store(tmp_path).write(make_record("hard", seed))
    board = Board(name="toy", title="Toy", version=1, suite="toy", methods=["hard"], seeds="0-1")
    assert tabulate(board, Store(tmp_path).read()).ends == ["seeds"]
    assert main(["verify", str(tmp_path)]) == 0
    table = tabulate(board, Store(tmp_path).read())
    assert table.ends == ["seeds", "checked"]
    assert write_ends(table, table.lines[0]) == ["2/2 †", "valid"]


def test_verify_names_the_bad_and_fails(make_record: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = (Store(tmp_path).write(make_record("hard", seed)) for seed in (0, 1))
    bad.write_text(bad.read_text().replace('"seed": 1', '"seed": 2'))
    assert main(["verify", str(tmp_path), "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["valid"] == 1
    assert [problem["path"] for problem in content["problems"]] == [bad.relative_to(tmp_path).as_posix()]
    assert main(["verify", str(tmp_path / "absent")]) == 2
    assert main(["verify", str(good.parent / "..")]) == 1


def test_verify_names_a_record_where_it_lies(
    make_record: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where that is no place of its own."""
    odd = make_record(effective_sharing={"x": 5.0})
    path = Store(tmp_path).write(odd)
    (tmp_path / "elsewhere").mkdir()
    path.rename(tmp_path / "elsewhere" / path.name)
    assert main(["verify", str(tmp_path), "--json"]) == 1
    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert problem["path"] == f"elsewhere/{path.name}"
    assert (tmp_path / problem["path"]).is_file()


def test_of_very_many_problems_ten_are_printed_and_the_rest_counted(
    make_record: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Store(tmp_path).write(make_record("hard", 0)).parent
    for number in range(1000):
        (folder / f"{number:016x}.json").write_text("{}")
    assert main(["verify", str(tmp_path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 12
    assert lines[-2:] == [
        "and 990 more files with problems; --json names all of them",
        "1 record valid, 1000 not.",
    ]
    assert main(["verify", str(tmp_path), "--json"]) == 1
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 1000


def test_verify_names_a_run_that_was_copied_to_another_seed(
    make_record: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curves = Curves(train_loss={"left": [3.0, 2.0, 1.0], "right": [3.0, 2.0, 1.0]})
    for seed in (0, 1):
        Store(tmp_path).write(make_record("hard", seed, curves=curves))
    assert main(["verify", str(tmp_path)]) == 1
    assert "has the numbers of `hard` seed" in capsys.readouterr().out


def test_a_submission_that_is_not_sound_is_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even where it looks like a store: a folder with RUN_ID.json in `results`, or among submissions."""
    for folder in (tmp_path / "submissions" / "mine", tmp_path / "mine" / "results"):
        folder.mkdir(parents=True)
    (tmp_path / "mine" / "results" / "0123456789abcdef.json").touch()
    for folder in (tmp_path / "submissions" / "mine", tmp_path / "mine"):
        assert main(["verify", str(folder), "--rerun", "1", "--json"]) == 1
        captured = capsys.readouterr()
        assert {"submission.toml", "method.py"} <= {problem["path"] for problem in json.loads(captured.out)["problems"]}
        assert "nothing was run again" in captured.err
        assert not list(folder.glob("*verified*"))


def test_cells_run_again_come_back_equal_and_a_lie_does_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On one machine, digit for digit; committed cells may be of another kind (`tests/bench/test_committed.py`)."""
    short = ["--set", "epochs=2", "--set", "steps_per_epoch=4", "--seeds", "0-1", "--store", str(tmp_path)]
    assert main(["run", "synthetic:tasks=2,train=64", "hard", *short]) == 0
    capsys.readouterr()
    assert main(["verify", str(tmp_path), "--rerun", "2", "--json"]) == 0
    outcomes = json.loads(capsys.readouterr().out)["rerun"]
    assert [(outcome["agrees"], outcome["found"]) for outcome in outcomes] == [(True, "equal digit for digit")] * 2
    assert [check.state for check in read_checks(tmp_path).values()] == ["rerun", "rerun"]

    record, other = Store(tmp_path).read().records
    Store(tmp_path).path(other.spec).unlink()
    loss = {task: [9.0] * len(path) for task, path in record.curves.train_loss.items()}
    lie = record.model_copy(update={"curves": record.curves.model_copy(update={"train_loss": loss})})
    Store(tmp_path).write(lie.seal())
    assert main(["verify", str(tmp_path), "--rerun", "1"]) == 1
    assert "differs in curves on the same kind of processor" in capsys.readouterr().out
    assert read_checks(tmp_path)[lie.seal().digest].state == "reported"
