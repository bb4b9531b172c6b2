"""The tables of pages are what the command beside them prints."""

from pathlib import Path

import pytest

from leaderboard.compare import COMMITTED
from leaderboard.controls import control_rows
from leaderboard.readme import BLOCK, fill
from leaderboard.store import Store

ROOT = Path(__file__).parents[2]
PAGES = {
    "README.md": ["multimnist", "multidigits", "multidigits", "nyuv2_lite", "scenes"],
    "docs/methods.md": ["multidigits_all", "synthetic_all"],
}


@pytest.mark.parametrize(("page", "tables"), PAGES.items())
def test_tables_are_those_of_the_committed_records(page, tables):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert [match[2] for match in BLOCK.finditer(text)] == tables
    assert fill(text, Store(COMMITTED).read()) == text


def test_committed_records_are_sound_and_complete_enough_to_show():
    contents = Store(COMMITTED).read()
    assert contents.problems == []
    assert {record.status for record in contents.records} == {"done"}
    changed = {tuple(record.spec.overrides.items()) for record in contents.records if not record.spec.tuning} - {()}
    assert changed <= settings_of_controls(contents.records)


def settings_of_controls(records):
    """What committed runs may change of a protocol: what a control changes, on their suites."""
    plain = [record for record in records if not record.spec.overrides]
    suites = {(tuple(record.tasks), record.spec.protocol.epochs) for record in plain}
    parts = [part for tasks, epochs in suites for row in control_rows(["all"], [*tasks], epochs) for part in row.parts]
    return {tuple(part.settings.items()) for part in parts}
