"""The packed form of a store: it is the open one in fewer bytes, and as wary of what somebody else wrote."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import DataMissing
from bench.records import ResultRecord, canonical_json
from bench.records.record import MAX_BYTES
from leaderboard.store import Store, StoreContents
from leaderboard.store.committed import COMMITTED, read_committed
from leaderboard.store.load import MAX_BAD_LINES
from leaderboard.store.merge import merge_stores
from leaderboard.store.packed import PANELS, PROTOCOLS, find_packed_path, name_suite_folder, pack_line
from leaderboard.store.room import format_record

Make = Callable[..., ResultRecord]
ROOT = Path(__file__).parents[3]
RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|\Z)", re.IGNORECASE)  # by Windows, with any extension


def packed_store(root: Path, records: list[ResultRecord]) -> Path:
    """A store with these records as lines of one method; its packed file."""
    for record in records:
        Store(root).write(record)
    merge_stores([], root)
    [path] = root.glob("*/*.jsonl")
    return path


def test_every_committed_line_is_the_record_that_went_in(committed_contents: StoreContents) -> None:
    """Lossless: packed again it has the same bytes; opened, one of each method, it has the same content and digest."""
    contents = committed_contents
    assert contents.problems == []
    packed = [path for path in COMMITTED.rglob("*.jsonl") if path.parent.name != "_verified"]
    assert len(contents.records) == sum(len(path.read_text().splitlines()) for path in packed) >= 2306
    lines: dict[str, list[str]] = {}
    seen = set[tuple[str, str]]()
    for record in contents.records:
        file, _, number = contents.paths[record.run_id].rpartition(":")
        if file not in lines:
            lines[file] = (COMMITTED / file).read_text().splitlines(keepends=True)
        assert lines[file][int(number) - 1] == pack_line(record)
        if (record.spec.suite, record.method) in seen:  # seeds of one method have the same form
            continue
        seen.add((record.spec.suite, record.method))
        opened = ResultRecord.model_validate_json(format_record(record))
        assert canonical_json(opened.model_dump(mode="json")) == canonical_json(record.model_dump(mode="json"))
        assert opened.content_digest() == record.digest
        assert opened.spec.run_id == record.run_id


def test_committed_paths_exist_on_every_system() -> None:
    paths = [path.relative_to(ROOT).as_posix() for path in COMMITTED.rglob("*")]
    assert max(map(len, paths)) < 120
    assert len({path.lower() for path in paths}) == len(paths)
    for path in paths:
        assert not re.search(r'[<>:"\\|?*\x00-\x1f]|[. ](/|\Z)', path)
        assert not any(RESERVED.match(part) for part in path.split("/"))


@pytest.mark.parametrize("suite", ["con", "nul", "Com1", "toy", "a" * 300, "x:path=a/b", "x:y=con.,z=1"])
def test_any_names_make_a_path_that_exists_on_every_system(suite: str, make_record: Make) -> None:
    method = "hard:" + ",".join(f"option{n}=C:\\{n}*" for n in range(20))
    record = make_record(method).model_copy(update={"suite": suite})
    folder, file = find_packed_path(record).split("/")
    assert folder == name_suite_folder(suite)
    assert len(f"leaderboard/results/{folder}/{file}") < 120
    for part in (folder, file):
        assert re.fullmatch(r"[a-z0-9._-]+", part)
        assert not RESERVED.match(part)
        assert not part.startswith((".", "_"))


def test_both_forms_give_the_same_contents_in_the_same_order(tmp_path: Path, make_record: Make) -> None:
    methods = ("single_task", "hard", "hard:split=2", "soft+l2", "lora")
    for method in methods:
        for seed in (10, 2, 0):
            Store(tmp_path).write(make_record(method, seed))
    opened = Store(tmp_path).read()
    assert merge_stores([], tmp_path).packed == 15
    packed = Store(tmp_path).read()
    assert list(tmp_path.rglob("*/*/*.json")) == []
    assert packed.records == opened.records
    assert packed.problems == []
    for record in packed.records:
        file, _, number = packed.paths[record.run_id].rpartition(":")
        assert record.run_id in (tmp_path / file).read_text().splitlines()[int(number) - 1]


def test_a_packed_run_is_found_and_never_written_again(tmp_path: Path, make_record: Make) -> None:
    records = [make_record("hard:split=2", seed) for seed in range(3)]
    for record in records:
        Store(tmp_path).write(record)
        Store(tmp_path).write_panels(record.spec, [b"\x89PNG\r\n\x1a\n", b"second"])
    merge_stores([], tmp_path)
    store, spec = Store(tmp_path), records[1].spec
    assert store.get(spec) == records[1]
    assert store.has_done(spec)
    assert store.get(make_record("hard:split=2", 9).spec) is None
    assert sorted(record.spec.seed for record in store.list_siblings(spec)) == [0, 1, 2]
    assert store.panels(spec) == [tmp_path / PANELS / f"{spec.run_id}.{n}.png" for n in (0, 1)]
    again = records[1].model_copy(update={"created": "2027-01-01T00:00:00+00:00"}).seal()
    assert store.write(again).suffix == ".jsonl"
    assert store.read().records == Store(tmp_path).read().records
    assert store.get(spec) == records[1]


def test_a_failed_line_gives_way_to_a_run_that_ends_well(tmp_path: Path, make_record: Make) -> None:
    packed_store(tmp_path, [make_record("hard", failed=True)])
    store, done = Store(tmp_path), make_record("hard")
    assert not store.has_done(done.spec)
    store.write(done)
    assert store.get(done.spec) == done
    contents = store.read()
    assert (contents.records, contents.problems) == ([done], [])
    merge_stores([], tmp_path)
    assert Store(tmp_path).read().records == [done]


def _edit(line: str, how: str) -> str:
    content = json.loads(line)
    if how == "truncated":
        return line[: len(line) // 2]
    if how == "no schema version":
        del content["schema_version"]
    elif how == "of the open form":
        content["schema_version"] = 1
    elif how == "tampered":
        content["spec"]["seed"] = 77
    elif how == "unknown key":
        content["extra"] = 1
    elif how == "protocol spelled":
        content["spec"]["protocol"] = {"name": "toy"}
    elif how == "protocol outside":
        content["spec"]["protocol"] = "../../../etc/passwd"
    elif how == "protocol absent":
        content["spec"]["protocol"] = "0" * 16
    elif how in ("empty", "blank"):
        return {"empty": "\n", "blank": " \t\n"}[how]
    elif how == "no object":
        return "[]\n"
    elif how == "no spec":
        content["spec"] = 7
    elif how == "deep":
        return "[" * 3000 + "\n"
    elif how == "marker of a conflict":
        return "<<<<<<< HEAD\n"
    elif how == "another method":
        content["method"] = "single_task"
    return json.dumps(content) + "\n"


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("truncated", r"content: should be JSON \(.*\); remove the line, and the run can be made again\Z"),
        ("empty", r"\Acontent: should be a record, found an empty line; remove it\Z"),
        ("blank", r"\Acontent: should be a record, found an empty line; remove it\Z"),
        ("no schema version", "schema_version: should be 2 in a line"),
        ("of the open form", "schema_version: should be 2 in a line"),
        ("tampered", "digest: does not match the content"),
        ("unknown key", "extra: Extra inputs"),
        ("protocol spelled", "spec.protocol: should be the digest of a file in _protocols"),
        ("protocol outside", "spec.protocol: should be the digest of a file in _protocols"),
        ("protocol absent", "spec.protocol: _protocols/0{16}.json should be a plain file"),
        ("no object", "content: should be a record"),
        ("no spec", "content: should be a record"),
        ("deep", "content: should be JSON .*recursion"),
        ("marker of a conflict", "content: should be JSON"),
        ("another method", "method: `single_task` should be short for `hard`|digest: does not match"),
    ],
)
def test_a_bad_line_is_named_by_its_number_and_the_others_are_read(
    how: str, reason: str, tmp_path: Path, make_record: Make
) -> None:
    records = [make_record("hard", seed) for seed in range(3)]
    path = packed_store(tmp_path, records)
    lines = path.read_text().splitlines(keepends=True)
    lines[2] = _edit(lines[2], how)
    path.write_text("".join(lines))
    contents = Store(tmp_path).read()
    assert contents.records == records[:2]
    [problem] = contents.problems
    assert problem.path == f"{path.relative_to(tmp_path).as_posix()}:3"
    assert re.search(reason, " ".join(problem.reasons)), problem.reasons
    assert not Store(tmp_path).has_done(records[2].spec)


def test_a_sound_line_in_the_file_of_another_method_is_named(tmp_path: Path, make_record: Make) -> None:
    record = make_record("hard")
    path = packed_store(tmp_path, [record])
    moved = path.rename(path.with_name("single_task-00000000.jsonl"))
    contents = Store(tmp_path).read()
    assert contents.records == []
    right = path.relative_to(tmp_path).as_posix()
    assert contents.problems[0].reasons == [f"path: should be in {right}, by its suite and method"]
    assert contents.problems[0].path == f"toy/{moved.name}:1"


def test_a_run_counts_once_whatever_lies_beside_it(tmp_path: Path, make_record: Make) -> None:
    """The same record open and packed is one record; any other one of its run is named, and so is a line twice."""
    record = make_record("hard")
    path = packed_store(tmp_path, [record])
    opened = Store(tmp_path).path(record.spec)
    opened.parent.mkdir(parents=True)
    opened.write_text(format_record(record))
    assert (Store(tmp_path).read().records, Store(tmp_path).read().problems) == ([record], [])
    opened.write_text(format_record(record.model_copy(update={"created": "later"}).seal()))
    [problem] = Store(tmp_path).read().problems
    first = f"{path.relative_to(tmp_path).as_posix()}:1"
    assert problem.reasons == [f"run_id: already read from {first}; remove the one that should not count"]
    opened.unlink()
    path.write_text(path.read_text() * 2)
    contents = Store(tmp_path).read()
    assert contents.records == [record]
    [problem] = contents.problems
    assert problem.path.endswith(":2")
    assert problem.reasons == [f"run_id: already read from {first}; remove this copy"]


def test_a_protocol_is_what_its_name_says(tmp_path: Path, make_record: Make) -> None:
    record = make_record("hard")
    packed_store(tmp_path, [record])
    [file] = (tmp_path / PROTOCOLS).iterdir()
    sound = file.read_text()
    for text, reason in (
        (sound.replace('"epochs": 3', '"epochs": 4'), "should have the name [0-9a-f]{16}.json, by its content"),
        (sound.replace('"epochs": 3', '"epochs": 0'), "epochs: Input should be greater than or equal to 1"),
        (sound[:-5], "should be JSON"),
        (" " * 100_000, "should be at most 65,536 bytes"),
    ):
        file.write_text(text)
        contents = Store(tmp_path).read()
        assert contents.records == []
        assert re.match(f"spec.protocol: {PROTOCOLS}/{file.name} {reason}", contents.problems[0].reasons[0])
    outside = tmp_path / "outside"
    file.write_text(sound)
    (tmp_path / PROTOCOLS).rename(outside)
    (tmp_path / PROTOCOLS).symlink_to(outside)
    contents = Store(tmp_path).read()
    assert contents.records == []
    assert {problem.path.partition(":")[0] for problem in contents.problems} >= {PROTOCOLS}


def test_a_line_without_end_is_not_read_to_its_end(tmp_path: Path, make_record: Make) -> None:
    """A gigabyte in one line takes no gigabyte of memory, and no line after it counts."""
    records = [make_record("hard", seed) for seed in range(2)]
    path = packed_store(tmp_path, records)
    os.truncate(path, 1 << 30)
    contents = Store(tmp_path).read()
    assert contents.records == records
    assert contents.problems[0].path.endswith(":3")
    assert contents.problems[0].reasons == [f"should be at most {MAX_BYTES} bytes; what follows it is not read"]


def test_of_a_file_of_nonsense_the_start_is_read(tmp_path: Path, make_record: Make) -> None:
    path = packed_store(tmp_path, [make_record("hard")])
    path.write_text("{}\n" * 100_000 + path.read_text())
    contents = Store(tmp_path).read()
    assert len(contents.problems) == MAX_BAD_LINES + 1
    assert contents.problems[-1].reasons == ["has 20 lines that are no records up to line 20; the rest is not read"]


@pytest.mark.parametrize("what", ["link", "folder", "pipe"])
def test_what_is_no_file_is_named_and_never_opened(what: str, tmp_path: Path, make_record: Make) -> None:
    path = packed_store(tmp_path / "store", [make_record("hard")])
    outside = path.rename(tmp_path / "outside.jsonl")
    {"link": lambda: path.symlink_to(outside), "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}[what]()
    contents = Store(tmp_path / "store").read()
    assert contents.records == []
    assert [problem.path for problem in contents.problems] == [path.relative_to(tmp_path / "store").as_posix()]


def test_records_of_one_suite_are_read_alone(tmp_path: Path, make_record: Make) -> None:
    for suite in ("toy", "toys"):
        Store(tmp_path).write(make_record("hard", suite=suite))
    (tmp_path / "toys-size-1" / "odd.json").write_text("{}")
    merge = Store(tmp_path).read("toy")
    assert [record.suite for record in merge.records] == ["toy"]
    assert Store(tmp_path).read("else").records == []


def test_without_committed_results_a_sentence_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboard.store.committed.COMMITTED", tmp_path / "absent")
    with pytest.raises(DataMissing, match=r"Found none: they come with a clone of the repository.*`make install`"):
        read_committed("multidigits")
