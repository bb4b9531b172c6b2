"""The document of all that the records say: findings with evidence, predictions with verdicts, boards in brief."""

import re

import pytest

from leaderboard.boards.board import boards, load_board
from leaderboard.claims import UnsupportedFinding, load_findings
from leaderboard.report.document import write_document
from leaderboard.store import StoreContents

SHOWN = "deep"


@pytest.fixture
def one_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """Findings and boards of one committed table, which is quick to lay out."""
    module = "leaderboard.report.document"
    monkeypatch.setattr(f"{module}.boards", lambda: {SHOWN: load_board(SHOWN)})
    own = [each for each in load_findings() if {need.board for need in each.rests_on} == {SHOWN}]
    assert own
    monkeypatch.setattr(f"{module}.load_findings", lambda: own)


@pytest.fixture(scope="module")
def deep_runs(committed_contents: StoreContents) -> StoreContents:
    """The committed runs of the table."""
    suites = {part.suite for part in boards()[SHOWN].parts}
    runs = [each for each in committed_contents.records if not suites.isdisjoint((each.suite, each.spec.suite))]
    return StoreContents(records=runs, problems=[])


def test_it_tells_findings_predictions_and_boards_the_same_each_time(one_board, deep_runs):
    text = write_document(deep_runs)
    assert write_document(deep_runs) == text
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
        "What was found",
        "How it was measured",
        "What was predicted, and what came out",
        "Boards",
    ]
    for part in load_board(SHOWN).parts:
        assert f"### {part.title}\n" in text
    assert "`deep` (`deep_synthetic`): `hard` -41.0 %" in text
    assert "With 20 seeds, a change of" in text


def test_a_finding_without_its_runs_ends_it_with_the_sentence(one_board):
    with pytest.raises(UnsupportedFinding, match="one shared trunk has less error"):
        write_document(StoreContents(records=[], problems=[]))
