"""`mtlbench study`: the runs that predictions name, once each, and the verdicts; a second time nothing is run."""

import json
from pathlib import Path

import pytest

from bench.catalogue.method import Method
from bench.catalogue.own_sets import choose_suite
from bench.catalogue.short_form import parse_short_call
from bench.cli.main import main
from bench.cli.study import load_study
from bench.errors import UsageError
from leaderboard.claims import claim, list_claim_files, load_claims

STUDY = """
title = "A trunk and separate models"
source = "predictions of a test"
seeds = "0-2"

[[claims]]
name = "one model for all"
text = "Where tasks have nothing in common, one model for all has more error."
suite = "linear_synthetic:truth=unrelated"
method = "hard"
expected = "less"

[[claims]]
name = "itself"
text = "A method is itself."
suite = "linear_synthetic:truth=unrelated"
method = "hard"
against = "hard"
expected = "same"
"""


@pytest.fixture
def own_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of claims with one study, in the place of ours."""
    folder = tmp_path / "claims"
    folder.mkdir()
    (folder / "trunk.toml").write_text(STUDY)
    (folder / "others.toml").write_text(STUDY.replace('seeds = "0-2"\n', ""))
    monkeypatch.setattr(claim.list_claim_files, "__defaults__", (folder,))
    monkeypatch.setattr(claim.load_claims, "__defaults__", (folder,))
    return tmp_path


def test_a_study_runs_both_sides_once_and_says_what_came_out(own_study, capsys):
    store = ["--store", str(own_study / "store"), "--jobs", "1"]
    assert main(["study", "trunk", *store, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 6  # two methods on three seeds
    assert main(["study", "trunk", *store]) == 0
    out, told = capsys.readouterr()
    assert "6 were stored" in told
    assert "2 of 2 claims came out as stated." in out
    assert all(len(line) <= 80 for line in out.splitlines()[:6])


def test_a_dry_run_trains_nothing(own_study, capsys):
    assert main(["study", "trunk", "--store", str(own_study / "store"), "--dry-run"]) == 0
    assert "6 to run" in "".join(capsys.readouterr())


def test_claims_of_tables_are_no_study(own_study):
    with pytest.raises(UsageError, match=r"the nearest: `trunk`. Found `others`, whose runs are those of tables"):
        load_study("others")
    with pytest.raises(UsageError, match="There are no claims `trnk`; the nearest: `trunk`"):
        load_study("trnk")


def test_committed_studies_name_methods_and_settings_that_exist():
    from bench.planning.plan import plan

    for name in list_claim_files():
        if load_claims(name).seeds:
            for runs in load_claims(name).compared:
                [spec] = plan(runs.suite, [runs.method], [0], runs.settings)
                # Claims are matched with records by these texts.
                assert runs.suite in (spec.suite, choose_suite(parse_short_call(runs.suite), None).short)
                assert spec.overrides == runs.settings
                assert runs.method in (spec.method, Method.parse(runs.method).short)
