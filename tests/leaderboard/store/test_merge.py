"""`mtlbench merge`: records of stores into one, packed; nothing is lost, contradicted or done twice."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.records import ResultRecord
from leaderboard.store import Store
from leaderboard.store.merge import merge_stores
from leaderboard.store.packed import PANELS
from leaderboard.trust.ledger import LedgerEntry, find_state, read_checks, write_checks

Make = Callable[..., ResultRecord]
ATTRIBUTES = Path(__file__).parents[3] / ".gitattributes"


def tree(root: Path) -> dict[str, bytes]:
    """Path -> content of every file of a store."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def open_store(root: Path, *records: ResultRecord) -> Path:
    for record in records:
        Store(root).write(record)
        Store(root).write_panels(record.spec, [b"\x89PNG" + record.run_id.encode()])
    return root


def test_any_order_and_any_number_of_merges_give_the_same_files(tmp_path: Path, make_record: Make) -> None:
    records = [make_record(method, seed) for method in ("single_task", "hard") for seed in (10, 9, 0)]
    a, b = open_store(tmp_path / "a", *records[:4]), open_store(tmp_path / "b", *records[2:])
    before = tree(a)
    assert len(merge_stores([a, b], tmp_path / "one").added) == 6
    assert len(merge_stores([b], tmp_path / "two").added) == 4
    assert len(merge_stores([a, b], tmp_path / "two").added) == 2
    assert merge_stores([tmp_path / "two", a], tmp_path / "one").added == []
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert tree(a) == before
    lines = next((tmp_path / "one").glob("toy/hard-*.jsonl")).read_text().splitlines()
    assert [json.loads(line)["spec"]["seed"] for line in lines] == [0, 9, 10]
    assert sorted(record.run_id for record in Store(tmp_path / "one").read().records) == sorted(
        record.run_id for record in records
    )
    assert len(list((tmp_path / "one" / PANELS).iterdir())) == 6


def test_what_lies_open_in_the_store_itself_is_packed(tmp_path: Path, make_record: Make) -> None:
    open_store(tmp_path, make_record("hard", 0), make_record("hard", 1))
    (tmp_path / "elsewhere").mkdir()
    odd = make_record("hard", 2)
    (tmp_path / "elsewhere" / f"{odd.run_id}.json").write_bytes(Store(tmp_path).write(odd).read_bytes())
    Store(tmp_path).path(odd.spec).unlink()
    assert merge_stores([], tmp_path).packed == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_panels", "_protocols", "toy"]
    assert len(Store(tmp_path).read().records) == 3


def test_a_contradiction_is_named_and_nothing_is_written(
    tmp_path: Path, make_record: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    record = make_record("hard", created="2026-01-01T00:00:00+00:00")
    other = record.model_copy(update={"created": "2026-02-02T00:00:00+00:00"}).seal()
    mine = open_store(tmp_path / "mine", record)
    theirs = open_store(tmp_path / "theirs", make_record("single_task"), other)
    before = tree(mine)
    assert main(["merge", str(theirs), "--into", str(mine)]) == 1
    said = capsys.readouterr().out
    assert f"Run {record.run_id} (toy hard seed 0) should be the same in every store." in said
    assert f"Found one made {record.created} with the digest {record.digest[:8]}" in said
    assert f"in `{theirs}` one made {other.created} with {other.digest[:8]}; remove the one" in said
    assert tree(mine) == before


def test_a_failure_contradicts_nothing(tmp_path: Path, make_record: Make) -> None:
    done, failed = make_record("hard"), make_record("hard", failed=True)
    mine, theirs = open_store(tmp_path / "mine", failed), open_store(tmp_path / "theirs", done)
    assert merge_stores([mine], theirs).contradictions == []
    assert Store(theirs).read().records == [done]
    assert merge_stores([theirs], mine).added == [done]
    assert Store(mine).read().records == [done]


def test_an_unsound_file_is_named_and_nothing_is_written(
    tmp_path: Path, make_record: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = open_store(tmp_path / "theirs", make_record("hard", 0), make_record("hard", 1))
    path = Store(theirs).path(make_record("hard", 1).spec)
    path.write_text(path.read_text().replace('"accuracy": 95.0', '"accuracy": 99.0'))
    assert main(["merge", str(theirs), "--into", str(tmp_path / "mine"), "--json"]) == 1
    [reason] = json.loads(capsys.readouterr().out)["problems"]
    assert reason.startswith(f"{path}: digest: does not match the content")
    assert tree(tmp_path / "mine") == {}


def cut_after(steps: int, do: Callable[..., None], counter: list[int]) -> Callable[..., None]:
    """`do`, interrupted when so many steps were counted; temporary files are none."""

    def step(path: Path, *arguments: Path, **options: bool) -> None:
        if arguments or not path.name.endswith(".tmp"):
            if counter[0] == steps:
                raise KeyboardInterrupt
            counter[0] += 1
        do(path, *arguments, **options)

    return step


def test_a_merge_that_was_cut_short_loses_nothing_and_goes_on(
    tmp_path: Path, make_record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every file that is put into place or removed, in turn."""
    records = [make_record(method, seed) for method in ("single_task", "hard") for seed in (0, 1)]
    theirs = open_store(tmp_path / "theirs", *records[1:])
    whole = open_store(tmp_path / "whole", records[0])
    merge_stores([theirs], whole)
    steps = 0
    for cut in range(100):
        mine = open_store(tmp_path / f"mine{cut}", records[0])
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", cut_after(cut, os.replace, counter := [0]))
            patch.setattr(Path, "unlink", cut_after(cut, Path.unlink, counter))
            try:
                merge_stores([theirs], mine)
            except KeyboardInterrupt:
                steps += 1
            else:
                break
        contents = Store(mine).read()
        assert records[0] in contents.records
        assert contents.problems == []
        merge_stores([theirs], mine)
        assert tree(mine) == tree(whole)
    assert steps >= 9  # 4 pictures, a protocol, 2 files of lines, an open record, its picture


def test_what_was_verified_comes_along(tmp_path: Path, make_record: Make) -> None:
    record = make_record("hard")
    theirs = open_store(tmp_path / "theirs", record)
    write_checks(theirs, [LedgerEntry(record.run_id, record.digest, "rerun", "equal digit for digit", "v")])
    for _ in range(2):
        assert main(["merge", str(theirs), "--into", str(tmp_path / "mine")]) == 0
        assert find_state(record, read_checks(tmp_path / "mine")) == "rerun"
        assert len(list((tmp_path / "mine" / "_verified").iterdir())) == 1


def test_the_command_says_what_it_did_and_what_is_wrong(
    tmp_path: Path, make_record: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs, mine = open_store(tmp_path / "theirs", make_record("hard")), tmp_path / "mine"
    assert main(["merge", str(theirs), "--into", str(mine)]) == 0
    assert capsys.readouterr().out == f"1 records were added; {mine} holds 1.\n"
    assert main(["merge", "--into", str(theirs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"added": 0, "packed": 1, "records": 1, "problems": []}
    for words, sentence in (
        (["merge", str(tmp_path / "absent"), "--into", str(mine)], "should be a folder of records. Found none."),
        (["merge", "--into", str(tmp_path / "absent")], "should be a folder of records. Found none."),
        (["merge", str(theirs)], "--into"),
    ):
        assert main(words) == 2
        assert sentence in capsys.readouterr().err
    (mine / "submission.toml").touch()
    assert main(["merge", str(mine), "--into", str(theirs)]) == 2
    assert "should be a store. Found a submission" in capsys.readouterr().err


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def test_branches_that_add_runs_and_verify_merge_without_conflict(tmp_path: Path, make_record: Make) -> None:
    """Other methods, other seeds of one method that is there or new, and verifications of the same record."""
    store = tmp_path / "leaderboard" / "results"
    git(tmp_path, "init", "-q")
    (tmp_path / ".gitattributes").write_bytes(ATTRIBUTES.read_bytes())
    shared = make_record("hard", 5)
    merge_stores([open_store(tmp_path / "first", shared)], store)
    git(tmp_path, "add", "leaderboard", ".gitattributes")
    git(tmp_path, "commit", "-qm", "Base")
    added = {
        "a": [make_record("hard", 4), make_record("single_task", 0), make_record("lora", 1)],
        "b": [make_record("hard", 6), make_record("mtan", 0), make_record("lora", 2)],
    }
    for branch, records in added.items():
        git(tmp_path, "checkout", "-q", "-b", branch, "main")
        merge_stores([open_store(tmp_path / f"runs-{branch}", *records)], store)
        write_checks(store, [LedgerEntry(r.run_id, r.digest, "rerun", branch, "v") for r in (shared, *records)])
        git(tmp_path, "add", "leaderboard")
        git(tmp_path, "commit", "-qm", branch)
    git(tmp_path, "checkout", "-q", "main")
    git(tmp_path, "merge", "-q", "a", "-m", "a")
    git(tmp_path, "merge", "-q", "b", "-m", "b")
    contents = Store(store).read()
    assert contents.problems == []
    assert {record.run_id for record in contents.records} == {
        record.run_id for record in (shared, *added["a"], *added["b"])
    }
    checks = read_checks(store)
    assert {find_state(record, checks) for record in contents.records} == {"rerun"}
    merge_stores([], store)  # puts lines that a merge of branches left in another order into the usual one
    merge_stores([store], tmp_path / "again")
    lines = {name: text for name, text in tree(store).items() if name.endswith(".jsonl") and "_verified" not in name}
    assert {name: text for name, text in tree(tmp_path / "again").items() if name in lines} == lines
