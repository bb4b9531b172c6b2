"""What lies in a store in the place of a record, or beside them: links, pipes, folders, odd names, and other files.

A file that is no record is named, and the table is that of a store without it, or it belongs there and changes nothing.
"""

import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.cli.main import main
from bench.records import ResultRecord
from leaderboard.report.table import tabulate
from leaderboard.store import Store
from leaderboard.store.walk import CHECKED
from leaderboard.trust.ledger import LedgerEntry, write_checks
from tests.fuzz.budget import LONGEST, seeds, tree
from tests.fuzz.mutations import mutated
from tests.fuzz.stores import base, case
from tests.fuzz.test_stores import Law, held, named, rendered
from tests.fuzz.trees import draw, mutated_text, mutated_tree

Generator = np.random.Generator


def forged(content: bytes) -> bytes:
    """A record that says something else and is sealed, so that whoever reads it where it does not belong is seen."""
    record = ResultRecord.model_validate_json(content)
    return record.model_copy(update={"created": "2020-01-01T00:00:00+00:00"}).seal().model_dump_json().encode()


def link(path: Path, content: bytes, generator: Generator) -> None:
    """To a sealed record outside, to itself, to nothing, to a device, or to a folder."""
    outside = path.parents[3] / "outside"
    outside.mkdir(exist_ok=True)
    (outside / path.name).write_bytes(forged(content))
    path.symlink_to(draw((outside / path.name, path, "nowhere", "/dev/zero", "/dev/stdin", outside), generator))


def folder(path: Path, content: bytes, generator: Generator) -> None:
    path.mkdir()
    if generator.random() < 0.5:
        (path / path.name).write_bytes(forged(content))


def pipe(path: Path, content: bytes, generator: Generator) -> None:
    os.mkfifo(path)


def listener(path: Path, content: bytes, generator: Generator) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = os.getcwd()
        os.chdir(path.parent)  # names of sockets are short
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


def other(path: Path, content: bytes, generator: Generator) -> None:
    """A file of something else."""
    choices = (
        b"",
        b"\x00" * 100,
        b"\x89PNG\r\n",
        b"null",
        b"[]",
        b"{}",
        b'"x"',
        b" " * 300_000,
        content.decode().encode("utf-16"),
    )
    path.write_bytes(
        draw((*choices, b"\xef\xbb\xbf" + content, content + content, content + b"\x00", os.urandom(64)), generator)
    )


IN_PLACE: tuple[Callable[[Path, bytes, Generator], None], ...] = (link, folder, pipe, listener, other)


def test_in_the_place_of_a_record(tmp_path: Path) -> None:
    given = base("classification")
    law = Law(given, tmp_path)
    for seed in seeds(80, "files of stores"):
        generator = np.random.default_rng(seed)
        name = draw(list(given.files), generator)
        path = law.root / name
        path.unlink()
        draw(IN_PLACE, generator)(path, given.files[name], generator)
        before, start = tree(tmp_path), time.monotonic()
        contents = Store(law.root).read()
        csv = rendered(tabulate(given.board, contents))
        assert time.monotonic() - start < LONGEST, seed
        assert tree(tmp_path) == before, seed
        assert csv == law.without[name], seed
        assert name in {problem.path for problem in contents.problems}, seed
        named(contents.problems)
        clear(path)
        path.write_bytes(given.files[name])


def clear(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for each in path.iterdir():
            each.unlink()
        path.rmdir()
    else:
        path.unlink()


NAMES = (
    *(
        "{run}.JSON",
        "{run}.json.bak",
        "{run} .json",
        "{run}.json\n.json",
        "\x1b[2J.json",
        "\udcff.json",
        "{run}.0.png.json",
    ),
    *(".{run}.json", ".json", "..json", "a" * 250 + ".json", "漢.json", "::add-mask::x.json", "`.json", "{other}.json"),
    *("=1+1.json", "<script>.json", "\u202e.json", "{run}.0.png", "verified.jsonl", "x/{run}.json", "x/y/{run}.json"),
)


def test_beside_the_records(tmp_path: Path) -> None:
    """Copies under other names, in other folders; a copy never counts twice."""
    given = base("classification")
    law = Law(given, tmp_path)
    names = list(given.files)
    for seed in seeds(60, "files of stores"):
        generator = np.random.default_rng(seed)
        run, another = (Path(draw(names, generator)) for _ in range(2))
        name = draw(NAMES, generator).replace("{run}", run.stem).replace("{other}", another.stem)
        path = law.root / run.parent / name
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        content = given.files[run.as_posix()]
        path.write_bytes(content if generator.random() < 0.5 else mutated(content, seed))
        before = tree(tmp_path)
        contents = Store(law.root).read()
        assert rendered(tabulate(given.board, contents)) == law.whole, seed
        assert tree(tmp_path) == before, seed
        named(contents.problems)
        assert len(contents.problems) == (path.suffix == ".json" and not name.startswith(".")), seed
        path.unlink()


def test_what_was_verified(tmp_path: Path) -> None:
    """A mutated file of `_verified` changes no number, and no state but to what a line of it says of that digest."""
    given = base("classification")
    law = Law(given, tmp_path)
    records = Store(law.root).read().records
    write_checks(law.root, [LedgerEntry(run.run_id, run.digest, "rerun", "equal", "v") for run in records])
    [file] = (law.root / CHECKED).iterdir()
    sound = file.read_bytes()
    lines, means = sound.splitlines(), [row.mean for row in tabulate(given.board, Store(law.root).read()).rows]
    for seed in seeds(80, "files of stores"):
        generator = np.random.default_rng(seed)
        which = int(generator.integers(len(lines)))
        ways = (mutated_text, lambda value, seed: json.dumps(mutated_tree(value, seed)).encode())
        try:
            line = draw(ways, generator)(json.loads(lines[which]), seed)
        except ValueError:  # a number too long to print
            line = b"9" * 5000
        content = b"\n".join([*lines[:which], line, *lines[which + 1 :]])
        file.write_bytes(content if generator.random() < 0.7 else mutated(sound, seed))
        table = tabulate(given.board, Store(law.root).read())
        rendered(table)
        assert [row.mean for row in table.rows] == means, seed
        assert set(table.results.states.values()) <= {"reported", "valid", "spot_checked", "rerun"}, seed
        states = table.results.states
        digests = {run.digest for (m, _), run in table.results.records.items() if states.get(m) == "rerun"}
        assert all(digest.encode() in file.read_bytes() for digest in digests), seed


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`verify` and `table` of a store with a mutated record: lines, exit codes, and nothing written but the checks."""
    kinds = ("explained", "classification", "dense")
    laws = {kind: Law(base(kind), tmp_path / kind) for kind in kinds}
    for seed in seeds(12, "commands"):
        law = laws[kinds[seed % len(kinds)]]
        one = case(law.base, seed)
        (law.root / one.source).unlink()
        (law.root / one.path).parent.mkdir(exist_ok=True)
        (law.root / one.path).write_bytes(one.content)
        before = tree(tmp_path)
        code = main(["verify", str(law.root), "--json"])
        content = json.loads(capsys.readouterr().out)
        assert code == bool(content["problems"]), seed
        assert content["records"] == len(law.base.files), seed
        assert {problem["path"] for problem in content["problems"]} <= {*law.base.files, one.path}, seed
        assert main(["verify", str(law.root)]) == code
        held(capsys.readouterr().out)
        for format in ("text", "json"):
            assert main(["table", law.base.board.suite, "--store", str(law.root), "--format", format]) == 0, seed
            said = capsys.readouterr()
            held(said.out + said.err)
        shutil.rmtree(law.root / CHECKED, ignore_errors=True)  # there is none where no record is sound
        after = tree(tmp_path)
        assert {name for name in after if after[name] != before.get(name)} <= {f"{law.parent.name}/store"}, seed
        (law.root / one.path).unlink()
        (law.root / one.source).write_bytes(law.base.files[one.source])
