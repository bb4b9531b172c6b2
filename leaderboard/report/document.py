"""What the records say, as one document in Markdown: `python -m leaderboard.report.document FILE`.

Findings with what each rests on, predictions with their verdicts, and every board in brief. Nothing in it is written by
hand but the findings, which are checked: a sentence that the committed records do not support ends the program.
"""

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from bench.errors import count_nouns
from leaderboard.boards.board import boards, load_board
from leaderboard.claims import (
    CheckedFinding,
    ClaimList,
    JudgedClaim,
    Support,
    check_findings,
    judge_claims,
    list_claim_files,
    load_claims,
    load_findings,
)
from leaderboard.intake.submission import find_submissions
from leaderboard.report.brief import list_heads, list_rows, name_best
from leaderboard.report.claims import mark_comparison, tabulate_claims
from leaderboard.report.escape import markdown, markdown_code
from leaderboard.report.footnotes import explain_power
from leaderboard.report.formats import markdown_table
from leaderboard.report.supports import write_support
from leaderboard.report.table import Table, analyse_board, tabulate
from leaderboard.store import StoreContents
from leaderboard.store.committed import read_committed
from leaderboard.store.json_text import write_whole

HOW = (
    "Each row is a method at the settings of its board: where the board has a curve, at the learning rate that the "
    "method's own curve chose on validation, on seeds that no board has. Changes are of error in per cent, the mean "
    "over tasks of the log ratio, paired by seed; below 0 is less error. Intervals and verdicts of a board are "
    "corrected for the number of its rows, those of claims for the number of claims in their list (Holm)."
)


def write_document(contents: StoreContents) -> str:
    """The whole document; the same records give the same text.

    Raises:
        UnsupportedFinding: the records do not support a finding.
    """
    parts = [part for board in boards().values() for part in board.parts]
    lists = {name: load_claims(name) for name in list_claim_files()}
    judged = {name: judge_claims(claims.claims, contents.records) for name, claims in lists.items()}
    findings = support_findings(contents, judged)
    submissions = find_submissions(contents, boards())
    tables = [tabulate(part, contents, submissions=submissions) for part in parts]
    shown = [table for table in tables if list_rows(table)]
    head = (
        "# Who should own which parameters?\n\n"
        f"What {count_nouns(len(contents.records), 'run')} on {count_nouns(len(shown), 'board')} say "
        f"(mtlbench {version('mtlbench')}).\n\n"
    )
    head += f"## What was found\n\n{tell_findings(findings)}## How it was measured\n\n{HOW}\n\n"
    return head + _tell_claims(lists, judged) + _tell_boards(shown)


def support_findings(
    contents: StoreContents, judged: Mapping[str, Sequence[JudgedClaim]] | None = None
) -> list[CheckedFinding]:
    """The findings, each with what supports it.

    Args:
        contents: the store.
        judged: name of a list -> its judged claims; None where they were not judged yet.

    Raises:
        UnsupportedFinding: the records do not support one.
    """
    findings = load_findings()
    needed = [need for finding in findings for need in finding.rests_on]
    names = {need.claim.partition("/")[0] for need in needed if need.claim}
    judged = judged or {name: judge_claims(load_claims(name).claims, contents.records) for name in sorted(names)}
    parts = [part for name in sorted({need.board for need in needed if need.board}) for part in load_board(name).parts]
    return check_findings(findings, judged, [analyse_board(part, contents) for part in parts])


def tell_findings(findings: Sequence[CheckedFinding]) -> str:
    """Each finding as a sentence, with its evidence below it; ends with an empty line."""
    told = ""
    for number, each in enumerate(findings, 1):
        told += f"{number}. **{markdown(each.finding.text)}**\n\n"
        told += "".join(f"   - {_tell_support(support)}\n" for support in each.supports) + "\n"
    return told


def _tell_support(support: Support) -> str:
    """A claim with its gain, or a row of a board with its change of error."""
    if support.claim:
        return f"{mark_comparison(support.claim.claim)}: {markdown(write_support(support))}"
    evidence = support.evidence
    method = f"{markdown_code(evidence.method)} " if evidence.method else ""
    place = f"{markdown_code(evidence.board)} ({markdown_code(evidence.suite)})"
    return f"{place}: {method}{markdown(write_support(support))}"


def _tell_claims(lists: Mapping[str, ClaimList], judged: Mapping[str, Sequence[JudgedClaim]]) -> str:
    """Every list of claims with its verdicts."""
    told = "## What was predicted, and what came out\n\n"
    for name, claims in lists.items():
        told += f"### {markdown(claims.title)}\n\n{tabulate_claims(claims, judged[name])}\n"
    return told


def _tell_boards(tables: Sequence[Table]) -> str:
    """Every part of a board in brief."""
    told = "## Boards\n\n"
    for table in tables:
        found = table.results.standings.detectable
        notes = [table.board.note, name_best(table), explain_power(found, table.board.reference) if found else ""]
        rows = list_rows(table)
        told += markdown_table(table.board.title, list_heads(table), rows, list(filter(None, notes))) + "\n"
    return told.rstrip("\n") + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m leaderboard.report.document FILE")
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, write_document(read_committed()))
    print(f"{target} is written.")
