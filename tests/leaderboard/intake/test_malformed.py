"""Submissions that are damaged anywhere: rejected by name, whatever is in them, and nothing is touched."""

import copy
import json
import os
import resource
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leaderboard.intake.manifest import Manifest, format_manifest
from leaderboard.intake.submission import read_submission
from leaderboard.store.json_text import format_json
from tests.leaderboard.intake.toy import BOARDS, COMMITTED, MANIFEST, RUNS, SCRIPT, problems, snapshot, write


def paths(value, prefix=()):
    """Every place in a JSON value."""
    yield prefix
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*prefix, key))


def at(value, path):
    for key in path:
        value = value[key]
    return value


def put(value, path, new):
    value = copy.deepcopy(value)
    if not path:
        return new
    at(value, path[:-1])[path[-1]] = new
    return value


RECORD = RUNS[0].model_dump(mode="json")


TEXT = format_json(RECORD)


PLACES = [path for path in paths(RECORD) if path]


STRINGS = [path for path in PLACES if isinstance(at(RECORD, path), str)]


NUMBERS = [path for path in PLACES if isinstance(at(RECORD, path), (int, float))]


KEYS = [path for path in PLACES if isinstance(path[-1], str)]


MARK = "@@here@@"


JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())


def literal(path, text):
    """The record with `text` as it stands at `path`, valid JSON or not."""
    return json.dumps(put(RECORD, path, MARK)).replace(f'"{MARK}"', text).encode()


def without(key):
    """The manifest as text, less the line of one key."""
    return "\n".join(line for line in format_manifest(MANIFEST).splitlines() if not line.startswith(f"{key} ="))


wrong_type = st.tuples(st.sampled_from(PLACES), JUNK).filter(
    lambda pair: json.dumps(at(RECORD, pair[0])) != json.dumps(pair[1])
)


content = st.one_of(
    wrong_type.map(lambda pair: json.dumps(put(RECORD, *pair)).encode()),
    st.tuples(st.sampled_from(NUMBERS), st.sampled_from(["NaN", "Infinity", "-Infinity", "1e999"])).map(
        lambda pair: literal(*pair)
    ),
    st.tuples(st.sampled_from(NUMBERS), st.integers(50, 200_000)).map(lambda pair: literal(pair[0], "9" * pair[1])),
    st.tuples(st.sampled_from(STRINGS), st.integers(1100, 400_000)).map(
        lambda pair: literal(pair[0], json.dumps("x" * pair[1]))
    ),
    st.tuples(st.sampled_from(PLACES), st.integers(20, 120_000)).map(
        lambda pair: literal(pair[0], "[" * pair[1] + "]" * pair[1])
    ),
    st.tuples(st.sampled_from(PLACES), st.integers(20, 5_000)).map(
        lambda pair: literal(pair[0], '{"a":' * pair[1] + "1" + "}" * pair[1])
    ),
    st.sampled_from(KEYS).map(
        lambda path: json.dumps(RECORD).replace(f'"{path[-1]}": ', f'"{path[-1]}": 0, "{path[-1]}": ', 1).encode()
    ),
    st.tuples(st.sampled_from([p for p in paths(RECORD) if isinstance(at(RECORD, p), dict)]), st.text(max_size=8)).map(
        lambda pair: json.dumps(put(RECORD, (*pair[0], f"new {pair[1]}"), 1)).encode()
    ),
    st.sampled_from(STRINGS).map(lambda path: json.dumps(put(RECORD, path, SCRIPT)).encode()),
    st.sampled_from(STRINGS).map(lambda path: json.dumps(put(RECORD, path, "../../../etc/passwd")).encode()),
    st.integers(0, len(TEXT) - 2).map(lambda end: TEXT[:end].encode()),
    st.binary(max_size=4000),
    st.just(json.dumps(RECORD | {"matrices": {"m": {"shape": [10**9, 10**9], "float16": "AAAA"}}}).encode()),
    st.just(json.dumps(RECORD | {"matrices": {"m": {"shape": [-1, -1], "float16": "AAA="}}}).encode()),
    st.just(b"[" + b"0," * 120_000 + b"0]"),
    st.just(b" " * (300 * 1024)),
    st.just(TEXT.encode("utf-16")),
)


manifests = st.one_of(
    st.sampled_from(
        [
            "",
            "= 1",
            "name = 'mine'\nname = 'mine'",
            "x = " + "[" * 5000 + "]" * 5000,
            "a." * 3000 + "b = 1",
            "x = '" + "y" * 20_000 + "'",
            "methods = nan",
        ]
    ),
    st.tuples(
        st.sampled_from(sorted(Manifest.model_fields)),
        st.sampled_from(["1", "nan", "[]", "{}", "''", "true", "1979-05-27"]),
    )
    .filter(lambda pair: pair not in {("schema_version", "1"), ("authors", "''"), ("paper", "''"), ("note", "''")})
    .map(lambda pair: f"{without(pair[0])}\n{pair[0]} = {pair[1]}\n"),
    st.sampled_from(["name", "methods", "suite", "board", "seeds", "method_sha256"]).map(without),
    st.sampled_from(["name", "suite", "board", "seeds"]).map(
        lambda key: f"{without(key)}\n{key} = {json.dumps(SCRIPT)}\n"
    ),
)


def _link(target):
    def act(folder):
        path = folder / target
        moved = folder.parent / f"{path.name}-elsewhere"
        os.rename(path, moved)
        path.symlink_to(moved)

    return act


def _fifo(folder):
    os.mkfifo(folder / "results" / "0123456789abcdef.json")


def _many(folder):
    for number in range(1001):
        (folder / "results" / f"{number:016x}.json").touch()


FOLDERS = {
    "method.py": _link("method.py"),
    "submission.toml": _link("submission.toml"),
    "results": _link("results"),
    f"results/{RUNS[0].run_id}.json": _link(f"results/{RUNS[0].run_id}.json"),
    "results/0123456789abcdef.json": _fifo,
    "results/..json": lambda folder: (folder / "results" / "..json").write_text(TEXT),
    "results/sub": lambda folder: (folder / "results" / "sub").mkdir(),
    "more": lambda folder: (folder / "more").mkdir(),
    "verified.jsonl": lambda folder: (folder / "verified.jsonl").write_text('{"state": "rerun"}'),
    "<script>": lambda folder: (folder / "<script>").touch(),
    "conftest.py": lambda folder: (folder / "conftest.py").write_text("raise SystemExit"),
    "results/copy": lambda folder: (folder / "results" / "copy").write_text(TEXT),
}


malformed = st.one_of(
    st.tuples(st.just(f"results/{RUNS[0].run_id}.json"), content),
    st.tuples(st.just("submission.toml"), manifests.map(str.encode)),
    st.tuples(
        st.just("method.py"), st.one_of(st.binary(max_size=2000), st.just(b"(" * 100_000), st.just(b"#" * 300_000))
    ),
    st.sampled_from(sorted(FOLDERS)).map(lambda name: (name, None)),
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(case=malformed)
def test_malformed_submissions_are_rejected_by_name_and_nothing_is_touched(tmp_path_factory, case):
    name, data = case
    parent = tmp_path_factory.mktemp("case")
    folder = write(parent / "mine")
    if data is None:
        FOLDERS[name](folder)
    else:
        (folder / name).write_bytes(data)
    before = snapshot(parent)
    found = problems(folder)
    assert name in found, found
    assert found[name]
    assert snapshot(parent) == before


BOMBS = {
    "deep": literal(STRINGS[0], "[" * 100_000 + "]" * 100_000),
    "numbers": b"[" + b"1," * 120_000 + b"1]",
    "objects": b"[" + b"{}," * 80_000 + b"{}]",
    "digits": literal(NUMBERS[0], "9" * 200_000),
    "array": json.dumps(RECORD | {"matrices": {"m": {"shape": [2**40], "float16": ""}}}).encode(),
    "quotes": b'"' + b"\\" * 250_000,
    "quotes in quotes": b'{"a": "' + b'\\"' * 120_000,
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_stay_small_in_memory(tmp_path, bomb):
    """The command itself, with half a gigabyte for data."""
    folder = write(tmp_path / "mine")
    (folder / "results" / f"{RUNS[0].run_id}.json").write_bytes(BOMBS[bomb])
    limit = 512 << 20
    done = subprocess.run(
        [sys.executable, "-m", "bench.cli.main", "verify", str(folder), "--json"],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
        timeout=120,  # what takes a second where this is idle; one of them took seven minutes
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert f"results/{RUNS[0].run_id}.json" in [problem["path"] for problem in json.loads(done.stdout)["problems"]]


def test_very_many_or_very_large_files_are_counted_and_not_read(tmp_path):
    folder = write(tmp_path / "mine")
    for number in range(40):
        (folder / "results" / f"{number:016x}.json").write_bytes(b" " * (256 * 1024))
    for number in range(200):
        (folder / f"more{number:03}").touch()
    found = read_submission(folder, BOARDS, COMMITTED)
    said = [(problem.path, reason) for problem in found.problems for reason in problem.reasons]
    assert (".", "has 150 more files that do not belong here") in said
    assert any(path == "results" and "should hold at most 8,388,608 bytes" in reason for path, reason in said)
    assert found.records == []
    assert len(said) == 53  # with 50 by name, and the runs that are missing
