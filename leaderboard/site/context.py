"""What every page of a site is made from: runs, boards, addresses and templates.

Built once per build of the site; the functions in `leaderboard.site.pages` take it and return a page.
"""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bench.records import ResultRecord
from leaderboard.analysis.curves import find_curves
from leaderboard.analysis.dials import find_dials
from leaderboard.analysis.statistics import SelectionRule
from leaderboard.boards.board import Board
from leaderboard.claims import (
    ClaimList,
    Finding,
    JudgedClaim,
    Situation,
    check_choices,
    check_findings,
    judge_claims,
    list_claim_files,
    load_claims,
)
from leaderboard.export.citation import read_citation
from leaderboard.intake.manifest import METHOD
from leaderboard.intake.source_card import read_built_in_cards
from leaderboard.intake.submission import Submission, find_submissions
from leaderboard.intake.submission_state import judge_submissions
from leaderboard.report.escape import printable
from leaderboard.report.formats import write_state
from leaderboard.report.templates import open_templates
from leaderboard.site.addresses import Addresses
from leaderboard.site.data_files import DataFiles
from leaderboard.site.drawing import draw_chart
from leaderboard.site.flat import flatten
from leaderboard.site.panels import Panel, find_panels
from leaderboard.site.shown import collect_boards, owner
from leaderboard.store import StoreContents
from leaderboard.trust.ledger import collect_checks, find_state

TEMPLATES = Path(__file__).parent / "templates"


class Context:
    """A store as the site shows it.

    Args:
        contents: the records of the store, and its folder.
        boards: the committed boards.
        store_name: how pages call the store.
        selection: which epoch of a run counts.
        status: progress of runs that go on, as `read_live` returns it; None where the site is not watched.
        findings: sentences of the front page, of the committed store.
        choices: which methods to try first, of the committed store.

    Attributes:
        runs: records of the store and of the sound submissions beside it, each once.
        by_method: the same runs by the method whose page shows them.
        suites: suite -> its boards; the first is shown on the suite's own page.
        pictures: run id -> its panels.
        cards: name of a part -> the text about it, of built-in and submitted parts.
        claims: lists of claims of which something was run, with their verdicts.
        findings: what the front page says, each with what supports it.
        choices: what the page to choose a method on says, each with its boards.
        pages: the files that the site has, as far as its build knows them.
        checks: digest -> how far a record was verified.
        submissions: those beside the store, with what became of each.
        citation: how to cite the project; None where the code came without it.
        data: all runs of the store as files.

    Raises:
        UnsupportedFinding: the records do not support a finding or a choice.
    """

    def __init__(
        self,
        contents: StoreContents,
        boards: Sequence[Board],
        store_name: str,
        selection: SelectionRule,
        status: dict[str, Any] | None,
        findings: Sequence[Finding] = (),
        choices: Sequence[Situation] = (),
    ) -> None:
        submissions = find_submissions(contents, {board.name: board for board in boards})
        sound = [submission for submission in submissions if submission.sound]
        self.contents, self.status = contents, status
        self.citation = read_citation()
        self.data = DataFiles(contents, self.citation)
        self.cards = read_built_in_cards() | {card.name: card for submission in sound for card in submission.cards}
        # A submission's records may have been merged into the store: each run has one page.
        known = {run.run_id for run in contents.records}
        new = [run for submission in sound for run in submission.records if run.run_id not in known]
        self.runs = [*contents.records, *new]
        self.checks = collect_checks(contents)
        self.shown = collect_boards(contents, boards, selection, submissions, self.checks)
        # Submissions are compared with methods at their own options; dials and panels are of the store alone.
        parts = [part for board in boards for part in board.parts]
        self.dials = find_dials(contents.records, parts)
        self.curves = find_curves(contents.records, parts)
        judged = {name: _judge_list(name, self.runs) for name in list_claim_files()}
        self.claims = [each for each in judged.values() if any(one.verdict != "not run" for one in each[1])]
        committed = [one.results for one in self.shown if one.committed and one.track == "default"]
        self.findings = check_findings(findings, {name: each[1] for name, each in judged.items()}, committed)
        self.choices = check_choices(choices, committed)
        self.pages: frozenset[str] = frozenset()
        self.submissions = judge_submissions(submissions, self.checks)
        self.pictures: dict[str, list[Panel]] = find_panels(contents.root)
        self.by_method: dict[str, list[ResultRecord]] = {}
        for run in self.runs:
            self.by_method.setdefault(owner(run), []).append(run)
        names = _group_variants(dict.fromkeys(one.board.suite for one in self.shown))
        self.suites = {name: [one for one in self.shown if one.board.suite == name] for name in names}
        run_on = {method: {run.suite for run in runs} for method, runs in self.by_method.items()}
        self.addresses = Addresses((run.suite for run in self.runs), run_on)
        # Lists in HTML, of which thousands of runs have the same ones.
        self.pairs, self.configuration = cache(self._pairs), cache(self._configuration)
        self._plugins = {run.run_id: _code(submission) for submission in sound for run in submission.records}
        self._environment = open_templates(TEMPLATES)
        self._environment.globals.update(
            draw_chart=draw_chart,
            store=printable(store_name),
            has_claims=bool(self.claims),
            has_dials=bool(self.dials),
            has_boards=bool(self.shown),
            has_methods=bool(self.by_method),
            has_runs=bool(self.runs),
            takes_submissions=self.takes_submissions,
            has_citation=bool(self.citation and self.runs),
            has_choices=bool(self.choices),
            live=status is not None,
        )

    @property
    def takes_submissions(self) -> bool:
        """Whether there is something to say about submitting: a committed board, or a submission."""
        return bool(self.submissions) or any(one.committed for one in self.shown)

    def page(self, template: str, root: str, **values: Any) -> bytes:
        """Render a template; `root` is the relative way from the page to the site's root, as pages open from disk."""
        text: str = self._environment.get_template(template).render(root=root, **values)
        return text.encode()

    def state(self, run: ResultRecord) -> str:
        """How far a run was verified, as people read it; empty in a store that was never verified."""
        return write_state(find_state(run, self.checks)) if self.checks else ""

    def plugin(self, run: ResultRecord) -> str:
        """The file of a submitted method, as typed from the project's root; empty for built-in methods."""
        return self._plugins.get(run.run_id, "")

    def _configuration(self, protocol: str) -> str:
        """A protocol, given as JSON so that it can be cached, as a definition list in HTML."""
        return self.pairs(flatten(json.loads(protocol)))

    def _pairs(self, items: tuple[tuple[str, str], ...], tall: bool = False) -> str:
        """Pairs of name and value as a definition list in HTML."""
        macros = self._environment.get_template("macros.html").module
        return macros.pairs(items, tall)  # type: ignore[attr-defined, no-any-return]


def _judge_list(name: str, runs: Sequence[ResultRecord]) -> tuple[ClaimList, list[JudgedClaim]]:
    """A list of claims with the verdict of each."""
    claims = load_claims(name)
    return claims, judge_claims(claims.claims, runs)


def _group_variants(suites: Iterable[str]) -> list[str]:
    """Suites in the order met, but with the variants of a suite (`name:option=...`) right after it."""
    names = list(suites)
    kin = list(dict.fromkeys(name.partition(":")[0] for name in names))
    return sorted(names, key=lambda name: (kin.index(name.partition(":")[0]), ":" in name))


def _code(submission: Submission) -> str:
    """The file of a submitted method, relative to the root of the project."""
    folder = submission.folder.resolve()
    return "/".join((*folder.parts[-3:], METHOD))
