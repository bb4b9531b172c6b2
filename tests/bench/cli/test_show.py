"""`mtlbench show`: whatever has a name is told by it."""

import json
import re
from pathlib import Path

import pytest

from bench.catalogue.registry import PACKAGES, list_entries
from bench.cli.main import main
from bench.planning.plan import plan
from leaderboard.boards.board import boards
from leaderboard.store import Store
from tests.leaderboard.conftest import build_record


def show(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["show", *words]) == 0
    return capsys.readouterr().out


def test_a_method_is_told_part_by_part(capsys: pytest.CaptureFixture[str]) -> None:
    text = show(capsys, "soft+l2:halflife=30.0@dwa")
    for part in ("soft (sharing", "l2 (constraint", "dwa (weighting", "halflife=100.0     a number in [0, inf]"):
        assert part in text
    assert "run multidigits single_task soft+l2:halflife=30.0@dwa" in text
    facts = json.loads(show(capsys, "cross_stitch", "--json"))
    assert facts["is"] == "method"
    assert "multidigits" in facts["tables"]
    assert facts["parts"][0]["options"]["muted"] == {"default": "0", "accepts": "`0` or `1`"}


def test_every_part_suite_and_table_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in PACKAGES:
        for name in list_entries(kind):
            text = show(capsys, name)
            assert text.startswith(name)
            if kind == "suite":
                continue  # some need data
            [[suite, method]] = re.findall(r"mtlbench run (\S+) single_task (\S+) ", text) or [["", ""]]
            assert suite or kind == "backbone", name
            assert not suite or plan(suite, [method], [0], {}, "cpu")  # what is proposed can be typed
    for name in boards():
        assert name in show(capsys, name)


def test_a_suite_tells_its_tasks_and_what_they_are_scored_by(capsys: pytest.CaptureFixture[str]) -> None:
    text = show(capsys, "multidigits")
    assert "tasks     left (accuracy); right (accuracy)" in text
    assert "The construction of MultiMNIST" in text
    assert "task07 (" in (text := show(capsys, "deep_synthetic:tasks=32"))
    assert "and 24 others" in text
    assert "32 are trained, and scored together" in show(capsys, "linear_synthetic:tasks=32")


def test_a_run_is_found_by_the_beginning_of_its_id(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = build_record("hard", 3, {"left": 90.0, "right": 80.0})
    store = Store(tmp_path / "s")
    path = store.path(record.spec)
    path.parent.mkdir(parents=True)
    path.write_text(record.model_dump_json(), encoding="utf-8")
    text = show(capsys, record.run_id[:12], "--store", str(tmp_path / "s"))
    assert text.startswith(f"{record.run_id} (run, done)")
    assert "test      left: accuracy 90 %" in text
    assert "--seeds 3" in text
    facts = json.loads(show(capsys, record.run_id, "--json", "--store", str(tmp_path / "s")))
    assert facts["run_id"] == record.run_id


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("crossstitch", "no method, suite, table or run `crossstitch`; the nearest: `cross_stitch`"),
        ("multidigits:x=3", "`multidigits` has no option `x`"),
        ("0000000000000000", "No run in `.*`, and none of the committed ones, has an id"),
        ("a", "`a` should begin one run id. Found .* runs"),
    ],
)
def test_what_is_not_there_is_a_sentence(name: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", name]) == 2
    assert re.search(sentence, capsys.readouterr().err)
