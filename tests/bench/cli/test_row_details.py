"""`mtlbench table --details` on runs that were made here: changes with the test rows of their suite as random."""

from pathlib import Path

import pytest

from bench.cli.main import main
from leaderboard.store import Store

SHORT = {"epochs": "1", "steps_per_epoch": "2"}


def test_details_count_the_scans_of_the_suite(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = [word for key, value in SHORT.items() for word in ("--set", f"{key}={value}")]
    where = [word for key, value in SHORT.items() for word in ("--where", f"{key}={value}")]
    methods, store = ["single_task", "hard"], ["--store", str(tmp_path)]
    assert main(["run", "multidigits", *methods, "--seeds", "0-2", *settings, *store]) == 0
    assert all(record.correct_rows for record in Store(tmp_path).read().records)
    capsys.readouterr()
    for options in ([], ["--format", "md"]):
        assert main(["table", "multidigits", *where, *store, "--details", *options]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert "other test rows" in text
        assert "both seeds and the 399 units of test rows" in text
    assert main(["table", "multidigits", *where, *store, "--details", "--selection", "last"]) == 0
    assert "other test rows" not in capsys.readouterr().out

    assert main(["run", "multidigits:split=1", *methods, "--seeds", "0-1", *settings, *store]) == 0
    capsys.readouterr()
    for suite, runs in (("multidigits", "2 x 2-3"), ("multidigits:split=1", "2 x 2")):  # the seeds of its own board
        assert main(["table", suite, *where, *store, "--details"]) == 0
        out = capsys.readouterr().out
        assert "other splits" in out
        assert runs in out
        assert "1/K + 0.399" in " ".join(out.split())  # 1596 pairs of test digits per 4000 that train
