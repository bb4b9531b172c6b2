"""What a plan will cost, by past records whose costs are known here."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli.main import main
from bench.engines import Local
from bench.execution.forecast import Estimates, Forecast
from bench.planning.plan import plan
from bench.records import ResultRecord, RunSpec
from leaderboard.store import Store
from leaderboard.store.committed import read_committed_suite

Remember = Callable[[str, int, float], None]


@pytest.fixture(scope="module")
def past() -> dict[tuple[str, int], ResultRecord]:
    """Committed runs, as material."""
    records = [r for r in read_committed_suite("multidigits") if r.spec.protocol.version == 1]
    return {(r.method, r.spec.seed): r for r in records if not r.spec.overrides and not r.spec.tuning}


@pytest.fixture
def remember(
    past: dict[tuple[str, int], ResultRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path, Remember]:
    """A store, what stands for the committed one, and a function that puts a run with a cost into one of them."""
    own, committed = tmp_path / "own", tmp_path / "committed"
    monkeypatch.setattr("bench.execution.forecast.COMMITTED", committed)

    def put(method: str, seed: int, seconds: float, store: Path = own) -> None:
        record = past[method, seed]
        assert record.cost
        cost = record.cost.model_copy(update={"train_seconds": seconds})
        Store(store).write(record.model_copy(update={"cost": cost}).seal())

    return own, committed, put


def cell(method: str, **settings: str) -> RunSpec:
    """A cell to come."""
    [spec] = plan("multidigits", [method], [77], settings, device="cpu")
    return spec


def test_the_nearest_likeness_decides_and_updates_scale(remember: tuple[Path, Path, Remember]) -> None:
    own, committed, put = remember
    assert Estimates(own).seconds(cell("hard")) is None
    put("single_task", 0, 80.0, committed)
    assert Estimates(own).seconds(cell("hard")) == pytest.approx(80.0)  # any method on the suite
    put("hard:split=1", 0, 60.0, committed)
    assert Estimates(own).seconds(cell("hard")) == pytest.approx(60.0)  # other options of its parts
    for seed, seconds in enumerate((30.0, 10.0, 500.0)):
        put("hard", seed, seconds, committed)
    assert Estimates(own).seconds(cell("hard")) == pytest.approx(30.0)  # itself: the median
    put("hard", 3, 12.0, own)
    assert Estimates(own).seconds(cell("hard")) == pytest.approx(12.0)  # itself, on this machine
    assert Estimates(own).seconds(cell("hard:split=2")) == pytest.approx(12.0)
    assert Estimates(own).seconds(cell("hard:split=1")) == pytest.approx(60.0)
    half = str(cell("hard").protocol.epochs // 2)
    assert Estimates(own).seconds(cell("hard", epochs=half, members="3")) == pytest.approx(3 * 12.0 / 2)
    gpu = cell("hard").vary(protocol=cell("hard").protocol.model_copy(update={"device": "cuda"}))
    assert Estimates(own).seconds(gpu) is None
    strange = own / "multidigits" / "strange"
    strange.mkdir()
    (strange / "0.json").write_text("{}")
    (strange / "1.json").symlink_to("/etc/passwd")
    order = [cell("hard"), cell("hard:split=1"), gpu, cell("single_task")]
    assert Estimates(own).longest_first(order) == [order[k] for k in (2, 3, 1, 0)]


def test_wall_time_is_that_of_the_longest_first() -> None:
    known = {"a": 2.0, "b": 5.0, "c": 3.0, "d": 3.0, "e": 2.0, "f": None}
    assert Forecast(known, 2).wall == 8.0  # 5 + 2 beside 3 + 3 + 2
    assert Forecast(known, 1).wall == 15.0
    assert Forecast(known, 9).wall == 5.0


def test_a_dry_run_says_what_it_will_cost(
    remember: tuple[Path, Path, Remember], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, _, put = remember
    put("hard", 0, 100.0)
    put("single_task", 0, 250.0)
    words = ["run", "multidigits", "hard", "single_task", "--seeds", "0-1", "--store", str(own), "--dry-run"]
    words += ["--jobs", "2", "--device", "cpu"]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["stored"] == 0  # under the current protocol
    words += ["--protocol", "1"]
    assert main([*words, "--json"]) == 0
    out = json.loads(capsys.readouterr().out)
    assert (out["stored"], out["to_run"]) == (2, 2)
    estimate = out["estimate"]
    assert sorted(estimate.pop("cells").values()) == [100.0, 250.0]
    assert estimate == {"train_seconds": 350.0, "wall_seconds": 250.0, "workers": 2, "unknown": 0}
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["stored", "planned", "stored", "planned", *["estimate"] * 3]
    assert lines[1].endswith("seed 1  (about 0:01:40)")
    assert lines[4] == "estimate    1 x hard:split=none@uniform:reduction=sum: 0:01:40 each, 0:01:40 in all"
    assert lines[-1] == "estimate    2 cells: 0:05:50 of training, about 0:04:10 with 2 at a time"


def test_the_longest_cells_run_first(remember: tuple[Path, Path, Remember], monkeypatch: pytest.MonkeyPatch) -> None:
    own, _, put = remember
    put("hard", 0, 1.0)
    put("single_task", 0, 9.0)
    asked: list[RunSpec] = []

    def run_cells(self: Local, specs: list[RunSpec], cell: object) -> object:
        asked.extend(specs)
        yield from ()

    monkeypatch.setattr(Local, "run_cells", run_cells)
    words = ["run", "multidigits", "hard", "single_task", "--seeds", "1-2", "--jobs", "1", "--device", "cpu"]
    assert main([*words, "--store", str(own)]) == 0
    assert [(spec.method.partition(":")[0], spec.seed) for spec in asked] == [
        ("single_task", 1), ("single_task", 2), ("hard", 1), ("hard", 2),
    ]  # fmt: skip
