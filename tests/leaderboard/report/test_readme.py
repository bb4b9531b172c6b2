"""The tables and figures of pages are what the command beside them prints."""

import pytest

from bench.cli.main import build_parser
from documentation.findings_figure import collect_rows, draw_findings
from leaderboard.analysis.dials import find_dials
from leaderboard.boards.board import boards
from leaderboard.boards.controls import ControlSubject, control_rows
from leaderboard.claims import list_claim_files, load_claims
from leaderboard.intake.submission import find_submissions
from leaderboard.report.markdown_blocks import ACROSS, BLOCK, CLAIMS, FINDINGS, fill_tables
from leaderboard.store import StoreContents
from tests.pages import ROOT, list_commands, list_pages, read_page

# Suites of which the records of `mtlbench explain` are committed, and what it changes in a protocol.
EXPLAINED = {"school"}
CHANGED_BY_EXPLAIN = {
    "tasks",
    "shuffled",
    "smoothed",
    "noised",
    "replica",
    "trunk_lr",
    "width",
    "epochs",
    "restart",
    "lr",
}
PAGES = {
    "docs/boards.md": ["multimnist_1", "multidigits_1", "multidigits_1", "scenes_1", "nyuv2_lite_1", "worth", "school"],
    "docs/methods.md": ["multidigits_all_1", "synthetic_all_1"],
}


@pytest.mark.parametrize(("page", "tables"), PAGES.items())
def test_tables_are_those_of_the_committed_records(page, tables, committed_contents):
    text = read_page(page)
    assert [match[2] for match in BLOCK.finditer(text)] == tables
    submissions = find_submissions(committed_contents, boards())
    assert fill_tables(text, committed_contents, submissions) == text


@pytest.mark.parametrize(
    ("page", "claims"),
    [
        ("docs/why.md", ["caruana_1997"]),
        ("docs/transfer.md", ["transfer"]),
        ("docs/progression.md", ["progression"]),
        ("docs/tagging.md", ["tagging"]),
        ("docs/predictions.md", ["weightings", "square_root_law", "sign_map", "phase_diagram"]),
        ("docs/multilabel.md", ["multilabel"]),
        ("docs/multiclass.md", ["multiclass"]),
    ],
)
def test_verdicts_are_those_of_the_committed_records(page, claims, committed_contents):
    text = read_page(page)
    assert [match[2] for match in CLAIMS.finditer(text)] == claims
    assert fill_tables(text, committed_contents) == text


def test_the_figure_is_what_the_records_give(committed_contents) -> None:
    """`python -m documentation.findings_figure` after new records."""
    rows = collect_rows(committed_contents)
    assert draw_findings(rows) == (ROOT / "docs" / "pictures" / "findings.svg").read_text(encoding="utf-8")
    deep = rows[0].contrasts["hard"]
    assert deep.verdict == "better"
    assert "−41 % [" in draw_findings(rows[:1])


def test_the_truths_stand_side_by_side_with_the_best_of_each_in_bold():
    blocks = list(ACROSS.finditer(read_page("docs/boards.md")))
    assert [found[2] for found in blocks] == ["deep", "linear_synthetic"]
    for found, truths in zip(blocks, (3, 7), strict=True):
        header, _, *lines = found[0].splitlines()[1:-1]
        columns = list(zip(*(line.strip("| ").split(" | ")[1:] for line in lines), strict=True))
        assert len(columns) == len(header.strip("| ").split(" | ")) - 1 == truths
        for column in columns:
            values = [float(cell.replace("*", "").replace("\\", "")) for cell in column]
            assert {value for value, cell in zip(values, column, strict=True) if "**" in cell} == {min(values)}


def test_committed_records_are_sound_and_complete_enough_to_show(committed_contents):
    contents = committed_contents
    assert contents.problems == []
    assert {record.status for record in contents.records} == {"done"}
    parts = [part for board in boards().values() for part in board.parts]
    covered = {suite for part in parts for suite in (part.suite, *part.series)}  # other suites stand by themselves
    own = [r for r in contents.records if not covered.isdisjoint((r.suite, r.spec.suite))]
    own = [r for r in own if r.suite not in EXPLAINED or not set(r.spec.overrides) <= CHANGED_BY_EXPLAIN]
    changed = {tuple(record.spec.overrides.items()) for record in own if not record.spec.tuning} - {()}
    swept = {
        tuple(r.spec.overrides.items()) for d in find_dials(contents.records) for p in d.points.values() for r in p
    }
    grids = {part.curve.grid for part in parts if part.curve}
    along = {((grid.setting, text),) for grid in grids for text in grid.texts}
    claimed = {tuple(sorted(each.items())) for each in settings_of_claims()}
    changed = {items for items in changed if tuple(sorted(items)) not in claimed}
    assert changed <= settings_of_controls(contents.records) | swept | along


def test_findings_are_those_of_the_committed_records(committed_contents):
    text = read_page("docs/findings.md")
    assert len(FINDINGS.findall(text)) == 1
    assert fill_tables(text, committed_contents) == text


def settings_of_claims():
    """What runs change that decide claims."""
    claims = [claim for name in list_claim_files() for claim in load_claims(name).claims]
    gains = [gain for claim in claims for gain in (claim, claim.beyond) if gain]
    return [settings for gain in gains for settings in (gain.settings, gain.against_settings)]


def settings_of_controls(records):
    """What committed runs may change of a protocol: what a control changes, on their suites."""
    plain = [record for record in records if not record.spec.overrides]
    suites = {(tuple(record.tasks), record.spec.protocol.epochs, record.spec.protocol.lr) for record in plain}
    parts = [part for suite in suites for row in control_rows(["all"], ControlSubject(*suite)) for part in row.parts]
    return {tuple(part.settings.items()) for part in parts}


@pytest.mark.parametrize("page", list_pages())
def test_commands_of_pages_are_commands(page):
    """Every `mtlbench` line in a page is one that the command line takes; nothing is run."""
    for line in list_commands(read_page(page)):
        _, unknown = build_parser(line[0]).parse_known_args(line)
        assert unknown == []


def test_marks_inside_what_a_record_says_end_no_block():
    """An option may hold any text: filled again and again, a page stays as it is."""
    marks = ["<!-- end -->", "<!-- table: demo -->", "<!-- across: demo -->"]
    text = "".join(f"{mark}\n" for mark in ("<!-- table: demo -->", *(f"- `{mark}`" for mark in marks), "<!-- end -->"))
    [block] = BLOCK.finditer(f"before\n{text}after `<!-- end -->`\n")
    assert block[0] == text.removesuffix("\n")
    page = f"{text}rest\n"
    once = fill_tables(page, StoreContents())
    assert fill_tables(once, StoreContents()) == once
    assert once.endswith("<!-- end -->\nrest\n")
