"""Mutated submissions: each is named as unsound and leaves its board as it was, or its numbers are those of its runs.

Records, manifests and method texts are mutated one at a time, or several; checksums are made again for a part of them,
so that the checks behind them are reached. `tests.fuzz.test_stores` has the law of the numbers.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.cli.main import main
from bench.records import ResultRecord, slug
from leaderboard.boards.board import Board, boards
from leaderboard.intake.manifest import MANIFEST, METHOD, checksum_bytes, read_manifest
from leaderboard.intake.submission import read_submission
from leaderboard.report.formats import format_table
from leaderboard.report.table import tabulate
from leaderboard.store import Store, StoreContents
from leaderboard.store.committed import COMMITTED as RESULTS
from tests.fuzz.budget import LONGEST, seeds, tree
from tests.fuzz.mutations import mutated
from tests.fuzz.sources import manifest, spoiled
from tests.fuzz.stores import METHODS, resealed
from tests.fuzz.test_stores import check_numbers, held, named, rendered
from tests.fuzz.trees import mutated_text, mutated_tree
from tests.leaderboard.intake.toy import BOARD, COMMITTED, write


def committed_runs() -> list[ResultRecord]:
    """The runs of two methods on the board."""
    return [run for run in Store(RESULTS).read("multidigits").records if slug(run.spec.method) in METHODS]


SUBMITTED = RESULTS.parent / "submissions" / "scale_and_bias"
SHOWN = ("single_task", "hard")  # of the board's own methods, so that reading is quick


@dataclass(frozen=True)
class Sound:
    """A sound submission as files, its board, and runs of the board's own methods."""

    name: str
    files: Mapping[str, bytes]
    board: Board
    known: list[ResultRecord]

    def write(self, parent: Path) -> Path:
        """The folder of the submission, new."""
        for name, content in self.files.items():
            path = parent / self.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return parent / self.name


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module", params=["toy", "committed"])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    if request.param == "toy":
        return Sound("mine", files_of(write(tmp_path_factory.mktemp("toy") / "mine")), BOARD, COMMITTED)
    board = boards()["multidigits_1"]
    known = committed_runs()
    assert known
    own = board.model_copy(update={"methods": list(SHOWN), "controls": []})
    return Sound("scale_and_bias", files_of(SUBMITTED), own, [r for r in known if not r.spec.overrides])


def change(folder: Path, files: Mapping[str, bytes], seed: int) -> bool:
    """Mutate one to three files of a submission; whether checksums were made again."""
    generator = np.random.default_rng(seed)
    records = [name for name in files if name.endswith(".json")]
    again = bool(generator.random() < 0.6)
    for number in range(int(generator.choice([1, 2, 3], p=[0.8, 0.15, 0.05]))):
        draw = seed * 3 + number
        how = generator.random()
        if how < 0.5:
            name = records[int(generator.integers(len(records)))]
            (folder / name).write_bytes(record(files[name], draw, generator, again))
            written = again and _run_id(folder / name)
            if written and generator.random() < 0.7:
                (folder / name).rename(folder / "results" / f"{written}.json")
        elif how < 0.8:
            content = read_manifest(folder / MANIFEST).model_dump() if number == 0 else {"name": folder.name}
            (folder / MANIFEST).write_bytes(manifest(content, draw))
        else:
            data = spoiled(files[METHOD].decode(), draw)
            (folder / METHOD).write_bytes(data)
            text = files[MANIFEST].decode().replace(checksum_bytes(files[METHOD]), checksum_bytes(data))
            if again:
                (folder / MANIFEST).write_text(text)
        if number == 0:
            records = [name for name in records if (folder / name).exists()]
    return again


def _run_id(path: Path) -> str:
    try:
        found = json.loads(path.read_bytes())["run_id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return found if isinstance(found, str) and found.isalnum() and len(found) == 16 else ""


def record(original: bytes, seed: int, generator: np.random.Generator, again: bool) -> bytes:
    """The text of a record, mutated."""
    how = generator.random()
    if how < 0.15:
        return mutated(original, seed)
    if how < 0.3:
        return mutated_text(json.loads(original), seed)
    content: Any = mutated_tree(json.loads(original), seed)
    if again:
        content, _ = resealed(content, generator)
    try:
        return json.dumps(content).encode()
    except ValueError:  # a number too long to print
        return b"{}"


def restore(folder: Path, files: Mapping[str, bytes]) -> None:
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        if not (folder / name).exists() or (folder / name).read_bytes() != content:
            (folder / name).write_bytes(content)


def test_submissions(sound: Sound, tmp_path: Path) -> None:
    folder = sound.write(tmp_path / "submissions")
    named_boards = {sound.board.name: sound.board}
    assert read_submission(folder, named_boards, sound.known).sound
    empty = format_table(tabulate(sound.board, StoreContents(sound.known)), "csv")
    own = {run.digest: run.model_dump(mode="json") for run in sound.known}
    stood = 0
    for seed in seeds(120 if sound.name == "mine" else 25, "submissions"):
        again = change(folder, sound.files, seed)
        before, start = tree(tmp_path), time.monotonic()
        found = read_submission(folder, named_boards, sound.known)
        table = tabulate(sound.board, StoreContents(list(sound.known)), submissions=[found])
        csv = rendered(table)
        assert time.monotonic() - start < LONGEST, seed
        assert tree(tmp_path) == before, seed
        named(found.problems)
        for note in found.notes:
            assert note.isprintable(), seed
            assert len(note) < 2000, seed
        if found.sound:
            stood += 1
            texts = [json.loads(path.read_bytes()) for path in (folder / "results").iterdir()]
            check_numbers(table, own | {text["digest"]: text for text in texts})
            assert {run.digest for run in found.records} == {text["digest"] for text in texts}, seed
            if not again:
                runs = {name: content for name, content in sound.files.items() if name.startswith("results/")}
                original = [ResultRecord.model_validate_json(content) for content in runs.values()]
                assert sorted(found.records, key=str) == sorted(original, key=str), seed
                assert (folder / METHOD).read_bytes() == sound.files[METHOD], seed
        else:
            assert csv == empty, seed
        restore(folder, sound.files)
    assert read_submission(folder, named_boards, sound.known).sound
    assert 0 < stood < seed // 2


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What `verify` and `table` print of a mutated submission: lines, with the exit code that belongs to them."""
    files, store = files_of(SUBMITTED), tmp_path / "results"
    for run in committed_runs():
        Store(store).write(run)
    monkeypatch.setattr("leaderboard.store.committed.COMMITTED", store)
    folder = Sound("scale_and_bias", files, BOARD, []).write(tmp_path / "submissions")
    for seed in seeds(4, "commands"):
        change(folder, files, seed)
        before = tree(tmp_path)
        code = main(["verify", str(folder), "--json"])
        said = capsys.readouterr()
        content = json.loads(said.out)
        assert code == bool(content["problems"]), seed
        assert said.err == "", seed
        assert main(["verify", str(folder)]) == code
        said = capsys.readouterr()
        held(said.out)
        assert said.out.count("\n") <= 10 + 1 + 41 + 1, seed
        assert main(["table", "multidigits_1", "--store", str(store), "--submission", str(folder)]) == 2 * code, seed
        said = capsys.readouterr()
        held(said.out + said.err)
        assert said.err.count("\n") == code, seed
        assert tree(tmp_path) == before, seed
        restore(folder, files)
