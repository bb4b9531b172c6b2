"""`mtlbench merge`: records of stores into one, packed; nothing is lost, contradicted or done twice."""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from itertools import permutations
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.records import ResultRecord
from leaderboard.store import Store
from leaderboard.store.merge import merge_stores
from leaderboard.store.packed import PANELS, PROTOCOLS, digest_protocol, find_packed_path
from leaderboard.trust.ledger import LedgerEntry, VerificationState, find_state, read_checks, write_checks

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
    """At every file that is put into place or removed, in turn; no record comes without what was found out about it."""
    records = [make_record(method, seed) for method in ("single_task", "hard") for seed in (0, 1)]
    theirs = open_store(tmp_path / "theirs", *records[1:])
    write_checks(theirs, [LedgerEntry(record.run_id, record.digest, "rerun", "equal", "v") for record in records[1:]])
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
        checks = read_checks(mine)
        assert {find_state(record, checks) for record in contents.records if record != records[0]} <= {"rerun"}
        merge_stores([theirs], mine)
        assert tree(mine) == tree(whole)
        assert len(read_checks(mine)) == 3
    assert steps >= 10  # a ledger, 4 pictures, a protocol, 2 files of lines, an open record, its picture


def test_what_was_verified_comes_along(tmp_path: Path, make_record: Make) -> None:
    record = make_record("hard")
    theirs = open_store(tmp_path / "theirs", record)
    write_checks(theirs, [LedgerEntry(record.run_id, record.digest, "rerun", "equal digit for digit", "v")])
    for _ in range(2):
        assert main(["merge", str(theirs), "--into", str(tmp_path / "mine")]) == 0
        assert find_state(record, read_checks(tmp_path / "mine")) == "rerun"
        assert len(list((tmp_path / "mine" / "_verified").iterdir())) == 1


def entry(record: ResultRecord, state: VerificationState, how: str = "") -> LedgerEntry:
    return LedgerEntry(record.run_id, record.digest, state, how, "v")


def test_what_is_verified_after_a_merge_comes_with_the_next_one(tmp_path: Path, make_record: Make) -> None:
    record = make_record("hard")
    theirs, mine = open_store(tmp_path / "theirs", record), tmp_path / "mine"
    merge_stores([theirs], mine)
    for state in ("valid", "rerun", "reported"):
        write_checks(theirs, [entry(record, state)])
        assert merge_stores([theirs], mine).added == []
        assert find_state(record, read_checks(mine)) == state


def test_the_latest_rerun_is_believed_whatever_the_order_of_merges(tmp_path: Path, make_record: Make) -> None:
    """And what recomputed scores alone say never takes it back, though it is later."""
    record = make_record("hard")
    stores = [open_store(tmp_path / name, record) for name in ("a", "b", "c")]
    for store, state in zip(stores, ("rerun", "reported", "valid"), strict=True):
        write_checks(store, [entry(record, state)])
    trees = []
    for number, order in enumerate(permutations(stores)):
        merge_stores(order[:1], tmp_path / f"into{number}")
        merge_stores(order, tmp_path / f"into{number}")
        trees.append(tree(tmp_path / f"into{number}"))
        assert read_checks(tmp_path / f"into{number}") == {record.digest: entry(record, "reported")}
    assert all(files == trees[0] for files in trees)


def test_the_ledger_of_an_older_store_comes_along_as_the_earliest(tmp_path: Path, make_record: Make) -> None:
    records = [make_record("hard", seed) for seed in (0, 1)]
    theirs, mine = open_store(tmp_path / "theirs", *records), open_store(tmp_path / "mine", records[0])
    write_checks(mine, [entry(records[0], "reported", "differs")])
    old = "".join(json.dumps(asdict(entry(record, "rerun"))) + "\n" for record in records)
    (theirs / "verified.jsonl").write_text(old)
    merge_stores([theirs], mine)
    once = tree(mine)
    assert [find_state(record, read_checks(mine)) for record in records] == ["reported", "rerun"]
    merge_stores([theirs], mine)
    assert tree(mine) == once


@pytest.mark.parametrize("inner", ["toy", "new/store", "."])
def test_stores_within_each_other_are_refused(
    inner: str, tmp_path: Path, make_record: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    """By whatever name they go; a store into itself is packed."""
    store = open_store(tmp_path / "store", make_record("hard"))
    (alias := tmp_path / "alias").symlink_to(store)
    before = tree(tmp_path)
    for outer in (store, alias) if inner != "." else ():
        assert main(["merge", str(store), "--into", str(outer / inner)]) == 2
        told = f"`--into` should be a store outside the source `{store}`. Found `{outer / inner}`, which is in it.\n"
        assert capsys.readouterr().err == f"mtlbench: {told}"
        assert tree(tmp_path) == before
        (outer / inner).mkdir(parents=True, exist_ok=True)
        assert main(["merge", str(outer / inner), "--into", str(store)]) == 2
        told = f"A source should be a store outside of `{store}`. Found `{outer / inner}`, which is in it.\n"
        assert capsys.readouterr().err == f"mtlbench: {told}"
        assert tree(tmp_path) == before
    assert main(["merge", str(alias), "--into", str(store)]) == 0
    assert len(Store(store).read().records) == 1


@pytest.mark.parametrize("what", ["_protocols", "_panels", "_verified", "toy", "a file", "a link"])
def test_what_is_in_the_way_is_said_before_anything_is_written(
    what: str, tmp_path: Path, make_record: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    record = make_record("hard")
    theirs, mine = open_store(tmp_path / "theirs", record), tmp_path / "mine"
    write_checks(theirs, [entry(record, "rerun")])
    mine.mkdir()
    protocol = mine / PROTOCOLS / f"{digest_protocol(record.spec.protocol)}.json"
    if what == "a file":
        (path := protocol).mkdir(parents=True)
        told = f"`{path}` should be a file or nothing. Found a folder; remove it."
    elif what == "a link":
        (path := mine / "toy").symlink_to(tmp_path)
        told = f"{path}: is a link; links are not followed"
    else:
        (path := mine / what).touch()
        told = f"`{path}` should be a folder of files. Found something else; remove it."
    before = tree(tmp_path)
    assert main(["merge", str(theirs), "--into", str(mine)]) == 1
    out, err = capsys.readouterr()
    assert (out + err).startswith(told if what == "a link" else f"mtlbench: {told}\n")
    assert tree(tmp_path) == before
    path.rmdir() if what == "a file" else path.unlink()
    assert main(["merge", str(theirs), "--into", str(mine)]) == 0
    assert Store(mine).read().records == [record]


def test_a_folder_in_the_place_of_lines_is_named(
    tmp_path: Path, make_record: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    record = make_record("hard")
    theirs, mine = open_store(tmp_path / "theirs", record), tmp_path / "mine"
    (path := mine / find_packed_path(record)).mkdir(parents=True)
    assert main(["merge", str(theirs), "--into", str(mine)]) == 1
    told = f"{path}: should be a file, found a folder; it is not read\nnothing was merged.\n"
    assert capsys.readouterr().out == told
    assert [file for file in mine.rglob("*") if file.is_file()] == []


def test_a_refused_merge_makes_no_folder(tmp_path: Path, make_record: Make) -> None:
    record = make_record("hard")
    other = record.model_copy(update={"created": "2026-02-02T00:00:00+00:00"}).seal()
    a, b = open_store(tmp_path / "a", record), open_store(tmp_path / "b", other)
    assert len(merge_stores([a, b], tmp_path / "new" / "one").contradictions) == 1
    Store(b).path(other.spec).write_text("{}")
    assert len(merge_stores([a, b], tmp_path / "new" / "one").problems) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_link_in_the_place_of_a_protocol_gives_way_to_it(tmp_path: Path, make_record: Make) -> None:
    """Though what it leads to has the same bytes: no reader follows it."""
    theirs, mine = open_store(tmp_path / "theirs", make_record("hard")), tmp_path / "mine"
    merge_stores([], theirs)
    [protocol] = (theirs / PROTOCOLS).iterdir()
    (mine / PROTOCOLS).mkdir(parents=True)
    (mine / PROTOCOLS / protocol.name).symlink_to(protocol)
    merge_stores([theirs], mine)
    assert Store(mine).read().records == [make_record("hard")]


def test_a_picture_that_is_no_file_stops_a_merge_before_it_writes(tmp_path: Path, make_record: Make) -> None:
    theirs, mine = open_store(tmp_path / "theirs", make_record("hard"), make_record("mtan")), tmp_path / "mine"
    merge_stores([], theirs)
    panel = max((theirs / PANELS).iterdir())
    panel.unlink()
    os.mkfifo(panel)
    with pytest.raises(OSError, match=f"`{panel.name}` should be a file. Found a named pipe."):
        merge_stores([theirs], mine)
    assert tree(mine) == {}


def test_the_command_says_what_it_did_and_what_is_wrong(
    tmp_path: Path, make_record: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs, mine = open_store(tmp_path / "theirs", make_record("hard")), tmp_path / "mine"
    assert main(["merge", str(theirs), "--into", str(mine)]) == 0
    assert capsys.readouterr().out == f"1 record was added; {mine} holds 1.\n"
    two = open_store(tmp_path / "two", make_record("hard", 1), make_record("hard", 2))
    open_store(mine, make_record("hard", 3))
    assert main(["merge", str(two), "--into", str(mine)]) == 0
    assert capsys.readouterr().out == f"2 records were added, 1 was packed; {mine} holds 4.\n"
    assert main(["merge", "--into", str(theirs), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"added": 0, "packed": 1, "records": 1, "models": 0, "problems": []}
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
