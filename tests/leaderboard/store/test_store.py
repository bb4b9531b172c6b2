import gc
import json
import os
import re
import threading
from pathlib import Path

import pytest

from bench.records.record import MAX_BYTES
from leaderboard.boards.board import board_of_suite
from leaderboard.report.table import tabulate
from leaderboard.store import Store
from leaderboard.store.json_text import format_json
from leaderboard.store.progress_notes import make_note_prefix


def test_what_is_written_is_read(tmp_path, make_record):
    store = Store(tmp_path)
    records = [make_record("hard:split=2", seed) for seed in range(3)]
    paths = [store.write(record) for record in records]
    assert sorted(store.read().records, key=lambda record: record.spec.seed) == records
    assert store.read().problems == []
    assert paths[0] == tmp_path / "toy-size-1" / "hard-split-2-uniform" / f"{records[0].run_id}.json"
    assert store.get(records[1].spec) == records[1]
    assert store.has_done(records[1].spec)
    assert store.get(make_record("hard", 7).spec) is None


def test_the_collector_passes_over_what_was_read(tmp_path, make_record):
    """Records have no cycles; a table of thousands would spend seconds on looking for them."""
    for seed in range(3):
        Store(tmp_path).write(make_record(seed=seed))
    try:
        records = Store(tmp_path).read().records
        assert gc.isenabled()
        assert len(records) == 3
        assert not any(each is record for each in gc.get_objects() for record in records)
        gc.disable()
        Store(tmp_path).read()
        assert not gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()


def test_text_is_canonical_content_and_lists_stay_on_a_line(make_record):
    content = make_record().model_dump(mode="json")
    text = format_json(content)
    assert json.loads(text) == content
    assert '"confusion": [[9500, 500], [0, 0]]' in text


def test_writing_leaves_only_the_record(tmp_path, make_record, monkeypatch):
    store, record = Store(tmp_path), make_record()
    first = store.write(record).read_bytes()

    def crash(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(OSError, match="the disk is gone"):
        store.write(record)
    path = store.path(record.spec)
    assert path.read_bytes() == first
    assert list(path.parent.iterdir()) == [path]


def test_a_finished_record_outlives_a_failed_one_but_not_the_reverse(tmp_path, make_record):
    store, done, failed = Store(tmp_path), make_record(), make_record(failed=True)
    assert done.run_id == failed.run_id
    store.write(failed)
    assert not store.has_done(done.spec)
    assert store.get(done.spec) == failed
    store.write(done)
    store.write(failed)
    assert store.get(done.spec) == done


def test_a_failure_cannot_overwrite_what_another_runner_stores_meanwhile(tmp_path, make_record, monkeypatch):
    """The other one finishes between this one's look at the store and its writing."""
    store, done, failed = Store(tmp_path), make_record(), make_record(failed=True)
    other = threading.Thread(target=store.write, args=(done,))
    has_done = Store.has_done

    def look(self, spec):
        answer = has_done(self, spec)
        other.start()
        other.join(0.3)  # it waits; nothing is told by how long
        return answer

    monkeypatch.setattr(Store, "has_done", look)
    store.write(failed)
    other.join()
    assert store.get(done.spec) == done


def test_what_killed_runs_left_is_cleared_and_nothing_else(tmp_path, make_record):
    store, done, other = Store(tmp_path), make_record(seed=0), make_record(seed=1)
    store.clear()  # there is none yet
    path = store.write(done)
    live = tmp_path / ".live" / f"{make_note_prefix(os.getppid())}x.json"
    kept = [path, path.with_suffix(".0.png"), live, store.checkpoint(other.spec), tmp_path / ".git" / ".a.0123abcd.tmp"]
    left = [store.checkpoint(done.spec)]
    left += [folder / ".x.0123abcd.tmp" for folder in (tmp_path, path.parent, tmp_path / ".live", left[0].parent)]
    left += [tmp_path / ".live" / "999999999-1-x.json"]
    for each in (*kept[1:], *left):
        each.parent.mkdir(parents=True, exist_ok=True)
        each.touch()
    store.clear([done.spec])
    assert {each for each in tmp_path.rglob("*") if each.is_file()} == set(kept)
    store.write(other)
    assert not store.checkpoint(other.spec).parent.exists()


def test_a_writer_killed_among_checkpoints_leaves_no_folder(tmp_path, make_record):
    """Its temporary file is cleared before the folder is given up, or nobody would come back for that."""
    store, done = Store(tmp_path), make_record(seed=0)
    store.write(done)
    folder = store.checkpoint(done.spec).parent
    folder.mkdir()
    (folder / ".x.0123abcd.tmp").touch()
    store.clear([done.spec])
    assert not folder.exists()


def test_a_failed_run_keeps_its_checkpoint_and_no_reader_sees_it(tmp_path, make_record):
    store, failed = Store(tmp_path), make_record(failed=True)
    checkpoint = store.checkpoint(failed.spec)
    checkpoint.parent.mkdir()
    checkpoint.with_suffix(".json").write_text("{}")
    checkpoint.touch()
    store.write(failed)
    assert checkpoint.exists()
    assert store.read().records == [failed]
    assert store.read().problems == []


def test_too_large_or_unsealed_records_are_refused(tmp_path, make_record):
    with pytest.raises(ValueError, match=f"at most {MAX_BYTES} bytes"):
        Store(tmp_path).write(make_record(environment={"note": "x" * MAX_BYTES}))
    with pytest.raises(ValueError, match="digest"):
        Store(tmp_path).write(make_record().model_copy(update={"digest": ""}))
    assert list(tmp_path.iterdir()) == []


def _break(path: Path, how: str) -> None:
    text = path.read_text()
    if how == "truncated":
        path.write_text(text[: len(text) // 2])
    elif how == "binary":
        path.write_bytes(b"\xff\x00\xfe")
    elif how == "tampered":
        path.write_text(text.replace('"accuracy": 95.0', '"accuracy": 99.0'))
    elif how == "unknown key":
        path.write_text(text.replace('"run_id"', '"extra": 1,\n "run_id"', 1))
    elif how == "huge number":
        path.write_text(text.replace("9500", "1" + "0" * 400))
    elif how == "NaN":
        path.write_text(text.replace("9500", "NaN"))
    elif how == "too large":
        path.write_text(text + " " * MAX_BYTES)
    elif how == "deep":
        path.write_text(text.replace("[[9500, 500], [0, 0]]", "[" * 3000 + "]" * 3000))
    elif how == "renamed":
        path.rename(path.with_name("0123456789abcdef.json"))
    elif how == "copied":
        other = path.parent.parent / "another"
        other.mkdir()
        (other / path.name).write_text(text)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("truncated", "EOF|JSON"),
        ("binary", "JSON|UTF|utf"),
        ("tampered", "digest: does not match"),
        ("unknown key", "extra: Extra inputs"),
        ("huge number", "digest|cannot be"),
        ("NaN", "JSON|NaN|finite|compliant|digest"),
        ("too large", "at most"),
        ("deep", "recursion|Recursion|JSON"),
        ("renamed", "name: should be"),
        ("copied", "run_id: already read from"),
    ],
)
def test_a_broken_record_is_named_and_the_others_are_read(tmp_path, make_record, how, reason):
    store = Store(tmp_path)
    bad = make_record("hard")
    good = make_record("single_task")
    _break(store.write(bad), how)
    store.write(good)
    contents = store.read()
    assert good in contents.records
    assert len(contents.problems) == 1
    assert len(contents.records) == (2 if how == "copied" else 1)
    assert not Path(contents.problems[0].path).is_absolute()
    assert re.search(reason, " ".join(contents.problems[0].reasons)), contents.problems


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (("seed",), 10**9, "spec.seed: Input should be less than 1000000000"),
        (("protocol", "epochs"), 10**4000, "spec.protocol.epochs: Input should be less than or equal to"),
        (("protocol", "splits"), {"train": 9}, "spec.protocol: Value error, `splits` should have the rows of `train`"),
    ],
)
def test_what_no_table_could_show_is_named_and_spoils_none(tmp_path, make_record, place, value, reason):
    """A seed that no list of seeds may have, a number without a text, a protocol without test rows."""
    sound, odd = make_record(seed=0), make_record("hard", 0)
    Store(tmp_path).write(sound)
    path = Store(tmp_path).write(odd)
    content = json.loads(path.read_text())
    inside = content["spec"]
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    path.write_text(json.dumps(content))
    contents = Store(tmp_path).read()
    assert contents.records == [sound]
    assert contents.problems[0].reasons[0].startswith(reason)
    assert tabulate(board_of_suite("toy", contents.records), contents).board.seeds == "0"


def test_of_very_many_reasons_the_first_are_told(tmp_path, make_record):
    path = Store(tmp_path).write(make_record())
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {f"key{number}": 0 for number in range(9_000)}))
    [problem] = Store(tmp_path).read().problems
    assert problem.reasons[0] == "key0: Extra inputs are not permitted"
    assert problem.reasons[-1] == "and 8,980 more reasons"
    assert len(problem.reasons) == 21


def test_dot_files_and_other_files_are_no_records(tmp_path, make_record):
    store = Store(tmp_path)
    path = store.write(make_record())
    (path.parent / f".{path.stem}.1.ab.tmp").write_text("half")
    (path.parent / ".hidden.json").write_text("{")
    (path.parent / "notes.txt").write_text("text")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.json").write_text("{")
    assert (len(store.read().records), store.read().problems) == (1, [])


def test_links_are_named_and_never_followed(tmp_path, make_record):
    outside = Store(tmp_path / "outside")
    path = outside.write(make_record())
    root = tmp_path / "store"
    root.mkdir()
    (root / "folder").symlink_to(outside.root)
    (root / "file.json").symlink_to(path)
    contents = Store(root).read()
    assert contents.records == []
    assert sorted(problem.path for problem in contents.problems) == ["file.json", "folder"]
    (root / path.parent.parent.name).symlink_to(path.parent.parent)
    assert Store(root).get(make_record().spec) is None
    with pytest.raises(OSError, match="leads outside"):
        Store(root).write(make_record("hard"))
    assert len(list((outside.root / "toy-size-1").iterdir())) == 1


def test_a_store_that_is_not_there_is_empty_and_not_made(tmp_path):
    store = Store(tmp_path / "a" / "b")
    assert store.read().records == []
    assert store.read().problems == []
    store.check_writable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("where", ["file", "file/below", "loose", "loose/below", "x" * 300])
def test_an_impossible_store_is_one_sentence_and_leaves_nothing(tmp_path, where):
    (tmp_path / "file").write_text("")
    (tmp_path / "loose").symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match=r"^The store `[^`]*` should be .*\.$"):
        Store(tmp_path / where).check_writable()
    assert sorted(tmp_path.iterdir()) == before
    if where == "file":
        assert [problem.reasons for problem in Store(tmp_path / where).read().problems] == [["should be a folder"]]


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a file system that refuses even a superuser")
def test_a_read_only_file_system_is_caught():
    with pytest.raises(OSError, match="should be writable"):
        Store(Path("/proc/self/store")).check_writable()


def test_a_store_without_room_for_a_record_is_caught(small_disk, make_record):
    """Also by a superuser; with room again everything goes on."""
    root = small_disk(kilobytes=512)
    ballast = root / "ballast"
    ballast.write_bytes(bytes(300 * 1024))
    with pytest.raises(OSError, match=r"^The store `[^`]*` should have room for a record of 256 KiB.*\(No space"):
        Store(root).check_writable()
    assert list(root.iterdir()) == [ballast]
    ballast.unlink()
    Store(root).check_writable()


def test_folders_in_folders_without_end_are_named(make_record, tmp_path):
    """What is deeper than any record lies is not gone through, however deep it goes."""
    store = Store(tmp_path)
    store.write(make_record())
    (tmp_path / "/".join("d" * 12)).mkdir(parents=True)
    contents = store.read()
    assert len(contents.records) == 1
    [problem] = contents.problems
    assert problem.path == "/".join("d" * 8)
    assert "nested too deep" in problem.reasons[0]


def test_what_a_problem_quotes_cannot_steer_a_terminal(tmp_path):
    (tmp_path / "\x1b[31m.json").touch()
    (tmp_path / "b.json").write_text('{"\\u001b[2J": 1}')
    first, second = Store(tmp_path).read().problems
    assert first.path == r"\x1b[31m.json"
    assert any(r"\x1b[2J" in reason for reason in second.reasons)
    assert all(text.isprintable() for problem in (first, second) for text in (problem.path, *problem.reasons))
