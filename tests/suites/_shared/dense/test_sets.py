"""Prepared sets that were damaged, and what is said of them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.cli.main import main
from bench.errors import DataMissing
from bench.planning.plan import plan
from suites._shared.dense.sets import DenseSet
from tests.suites._shared.dense.small_set import ROWS, SUITE, folder

HEADERS: dict[str, Callable[[dict], object]] = {  # type: ignore[type-arg]
    "no object": lambda header: [header],
    "no rows": lambda header: {k: v for k, v in header.items() if k != "rows"},
    "rows of text": lambda header: header | {"rows": {"train": "24", "test": 3}},
    "negative rows": lambda header: header | {"rows": {"train": -24, "test": 3}},
    "one side": lambda header: header | {"size": [6]},
    "no format": lambda header: header | {"format": None},
    "checksums": lambda header: header | {"sha256": 3},
}


@pytest.mark.parametrize("suite", ["scenes", "nyuv2"])
@pytest.mark.parametrize("header", [*HEADERS, "not json", "no array", "impossible"])
def test_a_damaged_set_is_named_and_replaced(
    data: Path, header: str, suite: str, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder(data)
    if suite == "nyuv2":
        where = (data / "nyuv2" / "72x96").absolute()
        where.parent.mkdir()
        shutil.move(folder(data), where)
    path = where / "set.json"
    content = json.loads(path.read_text())
    if header == "not json":
        path.write_text("{")
    elif header == "no array":
        (where / "train" / "depth.npy").unlink()
    elif header == "impossible":
        path.write_text(json.dumps(content | {"rows": {"train": 10_000_000, "test": 3}}))
    else:
        path.write_text(json.dumps(HEADERS[header](content)))
    assert main(["data", "list", "--data-dir", str(data)]) == 0
    assert f"{where.name} damaged (" in capsys.readouterr().out
    name = SUITE if suite == "scenes" else suite
    assert main(["run", name, "hard", "--data-dir", str(data), "--store", str(data / "s")]) == 1
    assert "prepare" in capsys.readouterr().err
    if suite == "scenes" and header == "not json":  # rendering takes seconds
        assert main(["data", "prepare", SUITE, "--data-dir", str(data)]) == 0
        assert "ready" in capsys.readouterr().out


def test_bytes_that_changed_are_not_trained_on(data: Path) -> None:
    plan(SUITE, ["hard"], [0], device="cpu", data_dir=data)
    array = np.load(folder(data) / "train" / "label.npy", mmap_mode="r+")
    array[0, 0, 0] += 1
    array.flush()
    with pytest.raises(DataMissing, match=r"damaged \(train.label\)"):
        plan(SUITE, ["hard"], [0], device="cpu", data_dir=data)


def test_every_prepared_set_is_listed(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--data-dir", str(data)]) == 0
    assert f"{folder(data).name} ready" in capsys.readouterr().out
    assert DenseSet(folder(data)).rows == ROWS


@pytest.mark.parametrize("suite", [SUITE, "synthetic"])
def test_a_source_that_would_be_ignored_is_refused(
    suite: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "prepare", suite, "--source", str(tmp_path), "--data-dir", str(tmp_path / "data")]) == 2
    assert "`--source` should be left out" in capsys.readouterr().err


def test_an_interruption_says_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("suites.scenes.generate.write_set", interrupted)
    assert main(["data", "prepare", SUITE, "--data-dir", str(tmp_path)]) == 130
    assert "what was prepared is kept" in capsys.readouterr().err
