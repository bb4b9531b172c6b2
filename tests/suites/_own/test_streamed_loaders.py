"""Streamed rows train the very weights that rows in memory do; functions are suites by their names."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from bench.api import Suite, UsageError, register
from bench.cli.main import main
from bench.planning.plan import override, parse_suite, plan
from bench.training.fit import Run, fit
from bench.training.load import load_run
from tests.pages import list_commands, list_programs, read_page
from tests.suites._own.test_loaders import KINDS, Flats


class Rooms(Dataset[Any]):
    """Images (3, 8, 12) with maps: classes, of which some are missing, depths, of which rows are, and a number."""

    def __init__(self, rows: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        self.images = torch.rand(rows, 3, 8, 12, generator=draw)
        self.targets = {
            "parts": torch.randint(-1, 4, (rows, 8, 12), generator=draw),
            "depth": self.images.sum(dim=1) + 0.1,
            "light": self.images.mean(dim=(1, 2, 3)),
        }
        self.targets["depth"][::3] = torch.nan

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[Tensor, dict[str, Tensor]]:
        return self.images[row], {name: target[row] for name, target in self.targets.items()}


def make_flats(data_dir: Path | None = None, *, stream: bool = False, workers: int = 0) -> Suite:
    """Flats in memory or streamed."""
    return Suite.from_loaders(
        Flats(60, 0), Flats(40, 1), Flats(40, 2), tasks=KINDS, protocol={"epochs": 2}, stream=stream, workers=workers
    )


def make_rooms(data_dir: Path | None = None, *, stream: bool = False, workers: int = 0) -> Suite:
    """Rooms in memory or streamed."""
    return Suite.from_loaders(
        *(Rooms(rows, seed) for rows, seed in ((14, 0), (6, 1), (6, 2))),
        tasks={"parts": "segmentation:4", "depth": "depth", "light": "real"},
        backbone=nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1)),
        protocol={"epochs": 2, "steps_per_epoch": 3},
        stream=stream,
        workers=workers,
    )


@pytest.fixture(autouse=True)
def known() -> None:
    """Both functions as suites; they are forgotten after each test."""
    register("streamed_flats_of_tests")(make_flats)
    register("streamed_rooms_of_tests")(make_rooms)


def train(suite: str, **settings: str) -> tuple[dict[str, Tensor], Any]:
    """(weights, record) of hard sharing on `suite`."""
    [spec] = plan(suite, ["hard"], [3], settings, device="cpu")
    built, method, _ = load_run(spec, None)
    run = Run(spec, built, method)
    run.train()
    record = fit(spec)
    assert record.status == "done", record.error
    return {name: value.clone() for name, value in run.model.state_dict().items()}, record


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("streamed_flats_of_tests", {}),
        ("streamed_flats_of_tests", {"batches": "labelled"}),
        ("streamed_flats_of_tests", {"labels": "0.5"}),
        ("streamed_rooms_of_tests", {}),
        ("streamed_rooms_of_tests", {"shuffled": "parts/depth"}),
        ("streamed_rooms_of_tests", {"labels": "0.6"}),
    ],
)
def test_streamed_and_resident_rows_train_the_same_weights(name: str, settings: dict[str, str]) -> None:
    weights, record = train(name, **settings)
    for options in ("stream=true", "stream=true,workers=3"):
        streamed, other = train(f"{name}:{options}", **settings)
        assert streamed.keys() == weights.keys()
        assert all(torch.equal(streamed[key], weights[key]) for key in weights)
        assert other.statistics == record.statistics
        assert other.spec.data == record.spec.data


def test_streamed_rows_hold_no_row_in_memory() -> None:
    _, suite = parse_suite("streamed_rooms_of_tests:stream=true")
    rows = suite.dataset("train", 0)
    assert sum(tensor.numel() for tensor in (*rows.inputs.values(), *rows.targets.values())) == 6 * 14
    assert rows.row_numbers == 3 * 8 * 12  # evaluation takes pieces by the size of the rows themselves
    assert not suite.resident


def test_a_function_is_called_once_and_its_suites_are_copies() -> None:
    calls = []

    @register("counted_flats_of_tests")
    def make(data_dir: Path | None = None, *, rows: int = 60) -> Suite:
        """Flats."""
        calls.append(rows)
        return Suite.from_loaders(Flats(rows, 0), Flats(40, 1), Flats(40, 2), tasks=KINDS)

    suites = [parse_suite(f"counted_flats_of_tests:rows={n}")[1] for n in (60, 60, 50)]
    assert calls == [60, 50]
    suites[0].protocol = override(suites[0].protocol, {"epochs": "7"})[0]
    assert suites[1].protocol.epochs != 7
    assert suites[0].dataset("train", 0) is suites[1].dataset("train", 0)


def test_a_function_that_returns_no_suite_is_refused() -> None:
    @register("no_suite_of_tests")
    def make(data_dir: Path | None = None) -> int:
        """Nothing."""
        return 3

    with pytest.raises(UsageError, match=r"`make` should return a suite. Found an int"):
        parse_suite("no_suite_of_tests")
    with pytest.raises(TypeError, match="Every option of `bad_option_of_tests` should have a default"):
        register("bad_option_of_tests")(lambda data_dir, *, rows: None)


def test_the_page_runs_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MTLBENCH_STORE", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    text = read_page("docs/your_loaders.md")
    file, program = list_programs(text)
    Path("flats.py").write_text(file)
    commands = list_commands(text)
    assert [words[0] for words in commands] == ["check", "run", "table", "run"]
    for words in commands:
        capsys.readouterr()
        assert main(words) == 0, words
        if words[0] == "table":
            out = capsys.readouterr().out
            assert {"single_task", "hard", "soft"} <= set(re.findall(r"\w+", out))
            assert "2/2" in out
    capsys.readouterr()
    exec(program, {})  # the plug-in of the commands above is known
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[:2] for line in lines] == [["single_task", "done"], ["hard", "done"]]
    assert all(0 < float(line[2]) < 200 for line in lines)
