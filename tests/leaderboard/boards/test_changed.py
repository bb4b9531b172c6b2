"""Runs under settings of the user's own: named where a table is empty, shown when asked for."""

import re

import pytest

from bench.cli.main import main
from leaderboard.boards.changed import select_changed, settings_counts
from leaderboard.site import write_site
from leaderboard.store import Store, StoreContents


@pytest.fixture
def records(make_record):
    fast = [make_record("hard", seed, overrides={"lr": "0.01"}) for seed in range(3)]
    return [
        *fast,
        make_record("single_task", 0, overrides={"lr": "0.01"}),
        make_record("hard", 0, overrides={"epochs": "1"}),
    ]


@pytest.fixture
def store(records, tmp_path):
    for record in records:
        Store(tmp_path / "store").write(record)
    return str(tmp_path / "store")


def test_a_table_without_rows_says_what_is_there_and_how_to_see_it(store, capsys):
    for format in ("text", "md"):
        assert main(["table", "toy", "--store", store, "--format", format]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err == (
            f"mtlbench: `{store}` holds no finished run of `toy` under its own protocol; there are 4 runs with lr=0.01 "
            f"and 1 run with epochs=1: `mtlbench table toy --where lr=0.01 --store {store}` shows the first.\n"
        )
    assert main(["table", "toy", "--store", store, "--format", "csv"]) == 0  # a file of no lines is a file


def test_the_command_of_the_sentence_shows_the_runs(store, capsys):
    main(["table", "toy", "--store", store])
    [command] = re.findall("`mtlbench (table .*?)`", capsys.readouterr().err)
    assert main(command.split()) == 0
    assert "single_task" in capsys.readouterr().out


def test_where_shows_the_runs_with_exactly_these_settings(store, capsys):
    assert main(["table", "toy", "--store", store, "--where", "lr=0.010", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    seeds = {line.split(",")[2]: line.split(",")[9] for line in out.splitlines()[1:] if ",accuracy," in line}
    assert seeds == {"single_task": "1", "hard": "3"}
    assert err == ""
    for where in (["lr=0.02"], ["lr=0.01", "epochs=1"]):
        words = [word for pair in where for word in ("--where", pair)]
        assert main(["table", "toy", "--store", store, *words]) == 2
        assert (
            "there are 4 runs with lr=0.01 and 1 run with epochs=1: `mtlbench table toy --where lr=0.01"
            in capsys.readouterr().err
        )


def test_settings_are_one_value_whatever_their_text(records):
    assert settings_counts(records, ["toy"]) == {(("lr", "0.01"),): 4, (("epochs", "1"),): 1}
    assert settings_counts(records, ["other"]) == {}
    assert {run.run_id for run in select_changed(records, {"lr": "1e-2"})} == {run.run_id for run in records[:4]}
    assert select_changed(records, {}) == []


def test_the_first_page_tells_runs_with_settings_from_no_runs(records, tmp_path):
    write_site(StoreContents(records), [], tmp_path / "out", "store")
    page = (tmp_path / "out" / "index.html").read_text()
    assert "No results yet" not in page
    assert "mtlbench table toy --where lr=0.01" in page
