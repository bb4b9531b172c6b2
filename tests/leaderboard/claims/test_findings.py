"""Findings: sentences that stand only while the verdicts that they rest on are what the records say."""

from pathlib import Path

import pytest

from bench.records import ResultRecord
from leaderboard.analysis.results import Results
from leaderboard.boards.board import board_of_suite, boards
from leaderboard.claims import (
    Finding,
    NeededVerdict,
    UnsupportedFinding,
    check_findings,
    judge_claims,
    list_claim_files,
    load_claims,
    load_findings,
)
from leaderboard.claims.claim import Claim
from leaderboard.report.table import analyse_board
from leaderboard.site import write_site
from leaderboard.store import StoreContents

WORSE = NeededVerdict(board="toy", suite="toy", method="hard", needs="worse")


@pytest.fixture
def results(three_methods: list[ResultRecord]) -> Results:
    """`hard` is worse than `single_task`, `cross_stitch` better on the three seeds that it has."""
    return analyse_board(board_of_suite("toy", three_methods), StoreContents(three_methods))


def say(*evidence: NeededVerdict) -> list[Finding]:
    return [Finding(name="a", text="Hard sharing does harm.", rests_on=list(evidence))]


@pytest.mark.parametrize(
    ("evidence", "found"),
    [
        ({"needs": "worse"}, None),
        ({"needs": "not better"}, None),
        ({"needs": "better"}, "`worse`"),
        ({"needs": "not worse"}, "`worse`"),
        ({"method": "", "needs": "not equivalent"}, None),
        ({"method": "", "needs": "worse"}, "`better`, `worse`"),
        ({"against": "best", "needs": "worse"}, None),
        ({"against": "best", "method": "single_task", "needs": "not worse"}, None),
        ({"against": "best", "method": "cross_stitch", "needs": "not worse"}, "nothing that was run"),
        ({"method": "mmoe", "needs": "not worse"}, "nothing that was run"),
        ({"suite": "other", "needs": "worse"}, "nothing that was run"),
    ],
)
def test_a_finding_needs_the_verdicts_of_its_rows(
    results: Results, evidence: dict[str, str], found: str | None
) -> None:
    findings = say(WORSE.model_copy(update=evidence))
    if found is None:
        [checked] = check_findings(findings, {}, [results])
        assert checked.supports[0].results is results
    else:
        with pytest.raises(UnsupportedFinding, match=f"Found {found}; change the sentence"):
            check_findings(findings, {}, [results])


def test_a_finding_needs_the_verdict_of_its_claim(three_methods: list[ResultRecord]) -> None:
    claim = Claim(name="harm", text="Hard sharing does harm.", suite="toy", task="left", expected="less")
    judged = {"mine": judge_claims([claim], three_methods)}
    [checked] = check_findings(say(NeededVerdict(claim="mine/harm", needs="as stated")), judged, [])
    assert checked.supports[0].claim is judged["mine"][0]
    for name, found in (("mine/harm", "`as stated`"), ("mine/other", "nothing that was run"), ("no/harm", "nothing")):
        with pytest.raises(UnsupportedFinding, match=f"Found {found}"):
            check_findings(say(NeededVerdict(claim=name, needs="not as stated")), judged, [])


def test_the_page_is_not_built_and_the_sentence_is_named(three_methods: list[ResultRecord], tmp_path: Path) -> None:
    board = board_of_suite("toy", three_methods)
    contents = StoreContents(three_methods)
    with pytest.raises(UnsupportedFinding) as raised:
        write_site(
            contents, [board], tmp_path / "out", "runs", findings=say(WORSE.model_copy(update={"needs": "better"}))
        )
    assert str(raised.value) == (
        "The records should support the finding “Hard sharing does harm.” It needs `better` of `hard` against the "
        "reference on `toy` (`toy`). Found `worse`; change the sentence in `findings.toml`, or what it rests on."
    )
    assert not (tmp_path / "out").exists()
    page = write_site(contents, [board], tmp_path / "out", "runs", findings=say(WORSE)).read_text()
    assert "<p>Hard sharing does harm.</p>" in page
    assert '<a href="methods/hard~toy.html">Hard sharing on “toy”</a>: error +20.0 % [+19.6, +20.4], worse' in page


def test_committed_findings_are_what_the_committed_records_say(committed_contents: StoreContents) -> None:
    findings = load_findings()
    assert len(findings) >= 6
    named = {each.board for finding in findings for each in finding.rests_on if each.board}
    parts = [part for name in named for part in boards()[name].parts]
    wanted = {(each.board, each.suite) for finding in findings for each in finding.rests_on}
    shown = [analyse_board(part, committed_contents) for part in parts if (part.name, part.suite) in wanted]
    claims = {name: judge_claims(load_claims(name).claims, committed_contents.records) for name in list_claim_files()}
    assert len(check_findings(findings, claims, shown)) == len(findings)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[findings]]\nname = "a"\ntext = "b"\n', "rests_on"),
        ('[[findings]]\nname = "a"\ntext = "b"\nrests_on = [{ needs = "worse" }]\n', "Found neither or both"),
        ("findings = 1 2", "mine.toml"),
    ],
)
def test_malformed_files_of_findings_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"`mine\.toml`") as raised:
        load_findings(path)
    assert message in str(raised.value)
