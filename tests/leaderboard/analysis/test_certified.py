"""What pages and tables say of a certificate: held against the criterion of its kind, and named where it failed."""

import pytest

from bench.records.record import Solution
from leaderboard.boards.board import board_of_suite
from leaderboard.report.formats import write_notes
from leaderboard.report.table import tabulate
from leaderboard.site import write_site
from leaderboard.store import StoreContents


def solved(make_record, method, certificate, value, *, met, seed=0):
    solution = Solution(
        strength=None, objective=1.0, certificate=certificate, value=value, met=met, iterations=7, settings={}
    )
    return make_record(method, seed, solution=solution)


@pytest.mark.parametrize(
    ("certificate", "value", "met", "words"),
    [
        ("gradient", 0.00033, True, "0.00033, within the tolerance of the method"),
        ("gradient", 0.5, False, "0.5, not within the tolerance of the method: not certified"),
        ("gap", 2e-9, True, "2e-09, within 1e-08"),
        ("residual", 3e-4, False, "0.0003, not within 1e-08: not certified"),
    ],
)
def test_a_run_is_held_against_the_criterion_of_its_kind(make_record, tmp_path, certificate, value, met, words):
    record = solved(make_record, "gp_icm", certificate, value, met=met)
    write_site(StoreContents([record]), [], tmp_path, "store")
    page = (tmp_path / "runs" / f"{record.run_id}.html").read_text()
    assert f"<dt>relative {certificate}</dt><dd>{words}</dd>" in page


def test_a_table_names_the_methods_whose_solver_ended_too_early(make_record):
    records = [
        *(solved(make_record, "single_task", "residual", 1e-9, met=True, seed=seed) for seed in range(2)),
        *(solved(make_record, "soft+mrn", "residual", 1e-4, met=seed == 0, seed=seed) for seed in range(3)),
    ]
    notes = write_notes(tabulate(board_of_suite("toy", records), StoreContents(records)))
    assert "Not certified, for the solver ended above its tolerance: `soft+mrn` 2 of 3 runs." in notes
    notes = write_notes(tabulate(board_of_suite("toy", records[:3]), StoreContents(records[:3])))
    assert not any("certified" in note for note in notes)
