"""Standings: ranks, verdicts and tests over a board, as tables and JSON show them."""

import json
import math
import re
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from bench.cli.main import main
from leaderboard.analysis.standings import rank_methods
from leaderboard.analysis.statistics import tolerance_of
from leaderboard.report.details import write_details
from leaderboard.report.formats import format_table, write_ends, write_notes, write_rank
from leaderboard.report.statistics_json import write_standings
from leaderboard.report.table import tabulate
from leaderboard.store import Store, StoreContents
from tests.leaderboard.conftest import build_cells, protocol

BOTH = (("single_task", 0.0), ("hard", 1.0))
SEEDS, NAMES = 12, ["single_task", "hard", "good", "bad", "unfinished"]


@pytest.fixture
def data(make_cells):
    """One task; `good` has 20 % less error than single_task, `bad` 20 % more, `hard` the same up to noise."""
    generator = np.random.default_rng(3)
    base = np.exp(0.05 * generator.standard_normal((SEEDS, 1)))
    sizes = np.array([1.0, 1.0, 0.8, 1.2, 0.5])[:, None, None]
    errors = base * sizes * np.exp(0.02 * generator.standard_normal((5, SEEDS, 1)))
    errors[4, -1] = np.nan
    return make_cells(errors, NAMES)


def test_ranks_letters_and_verdicts(data) -> None:
    found = rank_methods(data, NAMES).methods
    assert (found["good"].rank.mean, found["bad"].rank.mean) == (1, 4)
    assert ("".join(found["good"].letters), "".join(found["bad"].letters)) == ("a", "c")
    assert "".join(found["single_task"].letters) == "".join(found["hard"].letters) == "b"
    verdicts = {name: each.verdict for name, each in found.items()}
    assert verdicts == {
        "single_task": None,
        "hard": "equivalent",
        "good": "better",
        "bad": "worse",
        "unfinished": "better",
    }
    assert [name for name, each in found.items() if each.could_be_best] == ["good"]
    assert write_rank(found["good"]) == "1"
    assert write_rank(found["unfinished"]) == ""  # it lacks a seed that others have
    assert found["unfinished"].change.n == SEEDS - 1


def test_adjusted_p_are_those_of_scipy_and_statsmodels(data) -> None:
    found = rank_methods(data, NAMES)
    logs = np.log(data.errors).mean(axis=2)
    pairs = [(method, reference) for reference in ("single_task", "hard") for method in NAMES]
    pairs = [(m, r) for m, r in pairs if m != r and (m, r) != ("single_task", "hard")]
    raw = []
    for method, reference in pairs:
        change = logs[NAMES.index(reference)] - logs[NAMES.index(method)]
        raw.append(stats.ttest_1samp(change[np.isfinite(change)], 0).pvalue)
    _, adjusted, *_ = multipletests(raw, 0.05, method="holm")
    assert found.family == len(pairs) == 7
    for (method, reference), p in zip(pairs, adjusted, strict=True):
        assert found.methods[method].comparisons[reference].adjusted == pytest.approx(p, rel=1e-6)


def test_those_who_take_no_part_change_nothing(data) -> None:
    few = [name for name in NAMES if name != "bad"]
    assert rank_methods(data, few).methods.keys() == set(few)
    assert rank_methods(data, few).family == 5
    assert rank_methods(data, few).methods["good"].rank.mean == 1


def test_nobody_is_ranked_without_the_reference(data) -> None:
    assert rank_methods(data, ["hard", "good"]).methods == {}


def test_the_same_table_twice(data) -> None:
    assert repr(write_standings(rank_methods(data, NAMES))) == repr(write_standings(rank_methods(data, NAMES)))


# --- from records to pages ---------------------------------------------------------------------


@pytest.fixture
def board(three_methods):
    """A board of two methods with five seeds and one with three, whose losses are the same in all seeds."""
    from leaderboard.boards.board import board_of_suite

    return board_of_suite("toy", three_methods)


def test_a_table_shows_ranks_stars_and_daggers(board, three_methods) -> None:
    table = tabulate(board, StoreContents(three_methods, []))
    ends = {line.method: write_ends(table, line) for line in table.lines}
    assert table.ends == ["rank", "vs single_task", "vs best", "seeds"]
    assert ends == {
        "single_task": ["1", "—", "leads", "5/5"],
        "hard": ["2", "worse", "worse", "5/5"],
        "cross_stitch": ["—", "better", "—", "incomplete (3/5) †"],
    }
    text = format_table(table, "text", width=200)
    assert [line for line in text.splitlines() if "] *" in line and line.startswith("hard ")]
    assert "* better or worse than `single_task`." in write_notes(table)
    assert any(note.startswith("† Fewer than 5 seeds") and "`cross_stitch` 3" in note for note in write_notes(table))


def test_two_seeds_have_no_interval_anywhere(board, make_record) -> None:
    runs = [
        make_record(m, seed, {"left": 95.0 + seed - lost, "right": 90.0 - lost}) for m, lost in BOTH for seed in (0, 1)
    ]
    table = tabulate(
        board.model_copy(update={"seeds": "0-1", "methods": ["single_task", "hard"]}), StoreContents(runs, [])
    )
    assert all(row.ci_low is None and row.ci_high is None and row.mean is not None for row in table.rows)
    assert {each.verdict for each in table.results.standings.methods.values()} == {None, "undecided"}
    for format in ("text", "md", "tex"):
        shown = format_table(table, format, width=200).replace("\\", "")
        assert re.findall(r"\[[^a-z]", shown) == []  # but for `mean [low, high]` below the table
        assert "no interval below 3 seeds" in shown
    for format in ("text", "md"):
        assert re.findall(r"\[[^a-z]", write_details(table, format).replace("\\", "")) == []
    assert {line.count(",,") for line in format_table(table, "csv").splitlines()[1:]} == {1}


def test_names_of_one_model_share_a_rank(make_cells) -> None:
    """A solver that stops within 1e-8 of the objective is sure of errors to 2e-4: three names of one model tie."""
    generator = np.random.default_rng(0)
    base = generator.uniform(0.5, 1.0, (1, SEEDS, 2))
    names = ["single_task", "hard", "soft+graph", "soft+l2", "soft+l2_pairwise", "soft+l1"]
    errors = base * np.array([1.0, 1.1, 0.9, 0.9, 0.9, 0.9])[:, None, None]
    errors[5] *= 1 + 1e-3 * generator.standard_normal((SEEDS, 2))
    errors[3:5] *= 1 + 1e-4 * generator.random((2, SEEDS, 2))  # always worse, never by anything
    solved = protocol({"t0": "regression", "t1": "regression"}, fit="solver", tolerance=1e-8)
    data = replace(make_cells(errors, names), protocol=solved)
    found = rank_methods(data, names)
    same = [found.methods[name] for name in names[2:5]]
    assert len({each.rank.mean for each in same}) == 1
    assert len({(each.rank.low, each.rank.high) for each in same}) == 1
    assert len({"".join(each.letters) for each in same}) == 1
    assert found.methods["soft+l1"].rank.mean not in {each.rank.mean for each in same}
    assert found.equal == [names[2:5]]
    assert found.tolerance == pytest.approx(2e-4)
    # the same numbers from descent are the luck of the runs
    trained = rank_methods(replace(data, protocol=protocol({"t0": "regression", "t1": "regression"})), names)
    assert len({trained.methods[name].rank.mean for name in names[2:5]}) == 3


def test_no_change_holds_against_another_name_of_the_reference(make_cells) -> None:
    generator = np.random.default_rng(1)
    errors = np.repeat(generator.uniform(0.5, 1.0, (1, 5, 1)), 3, axis=0)
    errors[1] *= 1.3
    errors[2] *= 1 - 1e-9 * generator.random((5, 1))
    solved = protocol({"t0": "regression"}, fit="solver", tolerance=1e-8)
    found = rank_methods(replace(make_cells(errors), protocol=solved), ["single_task", "hard", "m2"]).methods
    assert (found["m2"].rank.mean, found["single_task"].rank.mean) == (1.5, 1.5)
    assert found["m2"].verdict == "equivalent"
    assert found["m2"].win == 0.5
    assert found["m2"].change.mean > 0  # what was measured stays as it is


def test_a_board_with_too_many_groups_says_that_it_compares_with_the_first(make_cells) -> None:
    generator = np.random.default_rng(0)
    halves = [
        0.1 * generator.standard_normal(12) + 0.01 * np.arange(20)[:, None] + 1e-5 * generator.standard_normal((20, 12))
        for _ in range(2)
    ]
    data = make_cells(np.exp(np.concatenate(halves))[:, :, None])
    found = rank_methods(data, data.board.methods)
    assert {"".join(each.letters) for each in found.methods.values()} == {"a", ""}
    assert found.first_only


def test_a_board_of_five_hundred_methods_takes_seconds(make_cells) -> None:
    generator = np.random.default_rng(0)
    sizes, luck = generator.standard_normal((500, 1, 1)), generator.standard_normal((500, 12, 2))
    data = make_cells(np.exp(0.15 * sizes + 0.3 * luck))
    start = time.process_time()
    found = rank_methods(data, data.board.methods)
    assert time.process_time() - start < 30
    assert sorted(each.rank.mean for each in found.methods.values()) == list(range(1, 501))
    assert all(each.letters for each in found.methods.values())
    assert max(len(write_rank(each)) for each in found.methods.values()) < 60


def test_json_has_the_statistics_of_every_method(board, three_methods) -> None:
    found = json.loads(format_table(tabulate(board, StoreContents(three_methods, [])), "json"))
    by_method = {row["method"]: row for row in found["statistics"]}
    assert by_method.keys() == {"single_task", "hard", "cross_stitch"}
    hard = by_method["hard"]
    assert (hard["table"], hard["rank"], hard["worst_task"], hard["win_probability"]) == ("toy", 2.0, "left", 0.0)
    # every seed loses by 1 of 95 and 2 of 90 points: log(error / error) task by task
    noise = np.array([0.0, 0.2, -0.1, 0.3, -0.4])
    gain = [np.log((5 - noise) / (6 - noise)), np.log((10 + noise) / (12 + noise))]
    assert hard["worst_gain"] == pytest.approx(min(float(g.mean()) for g in gain), abs=1e-4)
    assert hard["delta_log"] == pytest.approx(float(np.mean(gain)), abs=1e-4)
    assert by_method["cross_stitch"]["rank"] is None


def test_details_are_sorted_by_rank_and_say_what_they_are(board, three_methods) -> None:
    table = tabulate(board, StoreContents(three_methods, []))
    for format in ("text", "md"):
        text = write_details(table, format).replace("\\", "")
        assert text.index("single_task ") < text.index("hard  " if format == "text" else "| hard |")
        assert "vs single_task" in text
        assert "p: of the test behind the verdict" in text


def test_details_in_other_formats_are_refused(tmp_path, capsys, three_methods) -> None:
    store = Store(tmp_path)
    for record in three_methods:
        store.write(record)
    assert main(["table", "toy", "--store", str(tmp_path), "--details", "--format", "csv"]) == 2
    assert "`--details` should be given `--format text` or `md`. Found `csv`." in capsys.readouterr().err
    assert main(["table", "toy", "--store", str(tmp_path), "--details"]) == 0
    assert "how sure" in capsys.readouterr().out


def test_protocols_that_are_not_ranked_have_no_ranks(board, make_record) -> None:
    runs = [
        make_record(method, seed, {"left": 95.0 + seed - lost, "right": 90.0}, changed={"ranked": False})
        for method, lost in (("single_task", 0), ("hard", 1))
        for seed in range(5)
    ]
    table = tabulate(board, StoreContents(runs, []))
    assert table.results.standings.methods == {}
    assert table.ends == ["seeds"]
    assert any(note.startswith("Not ranked") for note in write_notes(table))


def test_what_was_not_verified_is_not_ranked(board, three_methods, tmp_path) -> None:
    store = Store(tmp_path)
    for record in three_methods:
        if record.method != "hard":
            store.write(record)
    assert main(["verify", str(tmp_path)]) == 0
    for record in three_methods:
        if record.method == "hard":
            store.write(record)
    table = tabulate(board, store.read())
    assert table.results.standings.methods.keys() == {"single_task", "cross_stitch"}
    assert any("not all of their runs were verified" in note and "`hard`" in note for note in write_notes(table))


def test_letters_go_on_after_z(make_cells) -> None:
    errors = np.exp(np.arange(30.0))[:, None, None] * np.exp(
        1e-3 * np.random.default_rng(0).standard_normal((30, 6, 1))
    )
    found = rank_methods(make_cells(errors), make_cells(errors).board.methods).methods
    assert ["".join(each.letters) for each in found.values()][:2] == ["a", "b"]
    assert ["".join(each.letters) for each in found.values()][25:28] == ["z", "aa", "ab"]
    assert not any(math.isnan(each.rank.mean) for each in found.values())


def test_solutions_within_the_certificate_differ_by_no_more_than_what_counts_as_equal() -> None:
    """F(w) = (1 - w)^2 / 2 + strength |w| on one row, whose minimum is w = 1 - strength with the error `strength`.

    Both models are a relative gap of `tolerance` above it, one on each side: 2 sqrt(tolerance F / f) apart.
    """
    tolerance, strength = 1e-8, 1 - 1e-3
    least = strength**2 / 2 + strength * (1 - strength)
    models = [1 - strength + sign * math.sqrt(2 * tolerance * least) for sign in (-1, 1)]
    gaps = [((1 - w) ** 2 / 2 + strength * w - least) / least for w in models]
    assert gaps == pytest.approx([tolerance, tolerance], rel=1e-6)
    solved = protocol({"t0": "regression"}, fit="solver", tolerance=tolerance)
    data = replace(build_cells(1 - np.array(models)[:, None, None]), protocol=solved)
    difference = 1 - (1 - models[1]) / (1 - models[0])
    assert difference == pytest.approx(tolerance_of(data) * math.sqrt(least / (strength**2 / 2)), rel=1e-3)
    assert difference == pytest.approx(tolerance_of(data), rel=0.01)
