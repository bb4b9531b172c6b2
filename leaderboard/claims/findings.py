"""Findings: sentences of the front page, each with the verdicts that it rests on.

A sentence whose records no longer support it is an error, not a page: `check_findings` names it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from leaderboard.analysis.judged import judge_rows
from leaderboard.analysis.results import Results
from leaderboard.claims.judge import JudgedClaim
from leaderboard.claims.toml_file import read_toml

FINDINGS_FILE = Path(__file__).parents[1] / "findings.toml"
NOT = "not "


class UnsupportedFinding(ValueError):
    """A sentence that the records do not support; the message names it, what it rests on, and what was found."""


class NeededVerdict(BaseModel):
    """One verdict that a finding rests on: of a claim, or of a row of a board.

    Attributes:
        claim: `list/name`; empty for a row of a board.
        board, suite: a part of a committed board, on its default track.
        method: the row; every tested row where it is empty.
        against: what the row is compared with.
        needs: the verdict, or `not ` and a verdict. Against the best the rows that could be it are not `worse`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    claim: str = ""
    board: str = ""
    suite: str = ""
    method: str = ""
    against: Literal["reference", "best"] = "reference"
    needs: str

    @model_validator(mode="after")
    def _check_kind(self) -> "NeededVerdict":
        """A claim has no row, and a row has a board and a suite."""
        if bool(self.claim) == bool(self.board and self.suite):
            raise ValueError("Evidence should be a `claim`, or a `board` and its `suite`. Found neither or both.")
        return self

    def fits(self, verdicts: Sequence[str]) -> bool:
        """Whether all of the verdicts, at least one, are what is needed."""
        wanted, negated = self.needs.removeprefix(NOT), self.needs.startswith(NOT)
        return bool(verdicts) and all((verdict == wanted) != negated for verdict in verdicts)


class Finding(BaseModel):
    """A sentence, and everything that it rests on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    text: str
    rests_on: list[NeededVerdict]


class _Findings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    findings: list[Finding]


@dataclass(frozen=True)
class Support:
    """A piece of evidence as it was found: a judged claim, or the board with the row."""

    evidence: NeededVerdict
    claim: JudgedClaim | None = None
    results: Results | None = None


@dataclass(frozen=True)
class CheckedFinding:
    """A finding that the records support."""

    finding: Finding
    supports: tuple[Support, ...]


def load_findings(path: Path = FINDINGS_FILE) -> list[Finding]:
    """The findings of a file. Raises ValueError with its name where it is malformed."""
    return read_toml(path, _Findings).findings


def check_findings(
    findings: Sequence[Finding],
    claims: Mapping[str, Sequence[JudgedClaim]],
    boards: Sequence[Results],
) -> list[CheckedFinding]:
    """Every finding with what supports it.

    Args:
        findings: the sentences.
        claims: name of a list -> its judged claims.
        boards: of the default track.

    Raises:
        UnsupportedFinding: for the first one that a verdict does not support, or that rests on what was not run.
    """
    return [
        CheckedFinding(finding, tuple(_find_support(finding, each, claims, boards) for each in finding.rests_on))
        for finding in findings
    ]


def _find_support(
    finding: Finding, evidence: NeededVerdict, claims: Mapping[str, Sequence[JudgedClaim]], boards: Sequence[Results]
) -> Support:
    """The claim or board that a piece of evidence names, where its verdict is the one that is needed."""
    if evidence.claim:
        of, _, name = evidence.claim.partition("/")
        judged = next((each for each in claims.get(of, ()) if each.claim.name == name), None)
        verdicts: list[str] = [judged.verdict] if judged else []
        support, place = Support(evidence, claim=judged), f"the claim `{evidence.claim}`"
    else:
        names = evidence.board, evidence.suite
        results = next((each for each in boards if (each.board.name, each.board.suite) == names), None)
        verdicts = _list_verdicts(results, evidence) if results else []
        support = Support(evidence, results=results)
        place = f"`{evidence.method or 'every method'}` against the {evidence.against} on `{evidence.board}`"
        place += f" (`{evidence.suite}`)"
    if not evidence.fits(verdicts):
        found = ", ".join(f"`{verdict}`" for verdict in dict.fromkeys(verdicts)) or "nothing that was run"
        raise UnsupportedFinding(
            f"The records should support the finding “{finding.text}” It needs `{evidence.needs}` of {place}. Found "
            f"{found}; change the sentence in `findings.toml`, or what it rests on."
        )
    return support


def _list_verdicts(results: Results, evidence: NeededVerdict) -> list[str]:
    """The verdict of the row, or of every row that is tested."""
    rows = judge_rows(results)
    methods = [evidence.method] if evidence.method else list(rows)
    if evidence.against == "reference":
        known = [rows[method].verdict for method in methods if method in rows]
        return [verdict for verdict in known if verdict]
    standings = results.standings.methods
    ranked = [method for method in methods if method in standings and standings[method].ranked]
    contrasts = [standings[method].contrasts.get("best") for method in ranked]
    return [contrast.verdict if contrast else "leads" for contrast in contrasts]
