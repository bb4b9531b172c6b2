"""Models of imported tables: they carry their encoders, so that new rows need neither the data nor its folder."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from bench.cli.main import main
from bench.core.new_rows import NewRows
from bench.prediction.answers import restore_unit
from bench.training.load import load_run
from bench.training.rebuild import rebuild_model
from leaderboard.store.models import find_models
from suites._own.columns import Encoder, Feature
from tests.bench.prediction.kept import fit_and_keep, plan_quick, read_again
from tests.suites._own.small_table import write_table


def test_a_table_is_predicted_without_its_data(tmp_path: Path) -> None:
    """The statistics of the test rows, in the unit of the targets, are those of the record."""
    write_table(tmp_path / "data")
    spec = plan_quick("mine", "hard", tmp_path / "data")
    record, model = fit_and_keep(spec, tmp_path / "data")
    assert model.card.suite["description"]["provenance"] == {}
    assert str(tmp_path) not in model.card.as_text()
    (tmp_path / "empty").mkdir()
    rebuilt = read_again(model, tmp_path / "empty")
    suite, _, _ = load_run(spec, tmp_path / "data")
    test = suite.dataset("test", spec.seed)
    outputs = rebuilt.predict(NewRows([], test.inputs))
    units = model.card.suite["units"]
    assert set(units) == {"y"}
    metrics = {task.name: task.metric() for task in suite.tasks}
    for name, metric in metrics.items():
        target = restore_unit(test.targets[name], units.get(name, {}))
        metric.update(restore_unit(outputs[name], units.get(name, {})), target)
    assert {name: metric.state() for name, metric in metrics.items()} == record.statistics["val"]


def test_the_encoder_of_the_seed_is_kept(tmp_path: Path) -> None:
    write_table(tmp_path)
    kept = [fit_and_keep(plan_quick("mine", "hard", tmp_path).vary(seed=seed), tmp_path)[1] for seed in (0, 1)]
    encoders = [Encoder.model_validate(model.card.suite["encoder"]) for model in kept]
    assert encoders[0].mean != encoders[1].mean  # each seed divides the rows anew
    suite, _, _ = load_run(kept[1].card.spec, tmp_path)
    assert encoders[1] == suite.find_encoder(1)  # type: ignore[attr-defined]


def test_a_description_that_nothing_reads_is_one_sentence(tmp_path: Path) -> None:
    from bench.errors import DataMissing

    write_table(tmp_path)
    _, model = fit_and_keep(plan_quick("mine", "hard", tmp_path), tmp_path)
    described = {**model.card.suite["description"], "kind": "hologram"}
    card = model.card.model_copy(update={"suite": {**model.card.suite, "description": described}})
    with pytest.raises(DataMissing, match=r"should be of a kind that is known.*`hologram`"):
        rebuild_model(card, {}, tmp_path)


def test_a_new_text_is_one_of_the_others() -> None:
    """A code behind those of all levels; -1 stays what is missing."""
    feature = Feature(name="c", kind="category", levels=("x", "y"), missing=True)
    encoder = Encoder.fit([feature], np.empty((3, 0)), np.array([[0], [0], [1]], np.int32))
    encoded = encoder.apply(np.empty((4, 0)), np.array([[0], [1], [2], [-1]], np.int32))
    assert encoded.tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


# From here on tables are read from files.

HEADER = ["size", "rooms", "heating", "since", "rent", "district"]


def write_flats(path: Path, rows: int = 60, skip: tuple[str, ...] = (), **cells: str) -> Path:
    """A CSV of flats: `skip` leaves columns out; `cells`, as size_3="", replaces the cell of a row."""
    generator = np.random.default_rng(5)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([name for name in HEADER if name not in skip])
        for row in range(rows):
            size, rooms, heating = 30 + 90 * generator.random(), int(generator.integers(1, 6)), ["gas", "oil"][row % 2]
            value = {
                "size": f"{size:.2f}",
                "rooms": str(rooms) if row % 7 else "",
                "heating": heating,
                "since": f"20{10 + row % 10}-0{1 + row % 9}-11",
                "rent": f"{200 + 9 * size + 20 * rooms:.1f}",
                "district": ("north", "south", "Mitte, 1")[int(size) % 3],
            }
            value |= {key.rpartition("_")[0]: cell for key, cell in cells.items() if key.endswith(f"_{row}")}
            writer.writerow([value[name] for name in HEADER if name not in skip])
    return path


@pytest.fixture(scope="module")
def flats(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store with a model of an imported table, apart from the data; and its run."""
    pytest.importorskip("polars")
    root = tmp_path_factory.mktemp("flats")
    table, data = write_flats(root / "flats.csv"), ["--data-dir", str(root / "data")]
    assert main(["data", "import", str(table), "--name", "flats", "--targets", "rent,district", *data]) == 0
    words = ["run", "flats", "hard", "--device", "cpu", "--jobs", "1", "--set", "epochs=3", "--keep-model"]
    assert main([*words, "--store", str(root / "store"), *data]) == 0
    [(run, _)] = find_models(root / "store")
    return root / "store", run


def predict(flats: tuple[Path, str], table: Path, *words: str) -> int:
    """Run the command where no data is."""
    store, run = flats
    empty = table.parent / "no data"
    return main(["predict", run[:7], str(table), "--store", str(store), "--data-dir", str(empty), *words])


def test_rows_of_a_file_are_encoded_as_in_training(
    flats: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The test rows, written as CSV again, come to the record's score."""
    from suites._own.table_suite import divide_stored

    data = flats[0].parent / "data"
    table = write_flats(tmp_path / "all.csv")
    assert predict(flats, table) == 0
    printed = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(printed[0]) == ["row", "rent", "district", "district probability"]
    assert len(printed) == 60
    from bench.planning.plan import parse_suite

    _, suite = parse_suite("flats", data)
    stored = suite.stored  # type: ignore[attr-defined]
    own = divide_stored(stored, 0)[0]["test"]
    rent = own.units["rent"]
    actual = {round(float(y), 1) for y in (own.targets["rent"].double() * rent.scale + rent.shift)[:, 0]}  # type: ignore[union-attr]
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    test_rows = [number for number, row in enumerate(rows) if float(row["rent"]) in actual]
    assert len(test_rows) == len(own.targets["rent"])
    squares = [(float(printed[number]["rent"]) - float(rows[number]["rent"])) ** 2 for number in test_rows]
    right = [printed[number]["district"] == rows[number]["district"] for number in test_rows]
    from leaderboard.store import Store

    [record] = Store(flats[0]).read().records
    assert np.mean(squares) == pytest.approx(record.scores["val"]["rent"]["rmse"] ** 2, rel=1e-5)
    assert 100 * np.mean(right) == pytest.approx(record.scores["val"]["district"]["accuracy"])


def test_targets_and_order_of_columns_do_not_matter(
    flats: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write_flats(tmp_path / "whole.csv", rows=5)
    assert predict(flats, whole) == 0
    expected = capsys.readouterr().out
    rows = list(csv.DictReader(io.StringIO(whole.read_text())))
    with (tmp_path / "less.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["heating", "since", "extra", "rooms", "size"])
        writer.writeheader()
        writer.writerows({key: row.get(key, "1") for key in writer.fieldnames} for row in rows)
    assert predict(flats, tmp_path / "less.csv") == 0
    assert capsys.readouterr().out == expected


def test_a_text_that_training_never_saw_is_taken(
    flats: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(flats, write_flats(tmp_path / "new.csv", rows=3, heating_1="geothermal"), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert all(np.isfinite(row["rent"]["prediction"]) for row in said)


MISTAKES = {
    "a column is missing": ({"skip": ("size",)}, "FILE should have every feature as a column; there is no `size`"),
    "two are": ({"skip": ("size", "heating")}, "there is no `size`, `heating`"),
    "a value is missing": ({"size_3": "", "size_1": ""}, r"`size` should have a value.*2 rows without, 1, 3, counted"),
    "a text for a number": ({"size_3": "large"}, "`size` should hold numbers"),
    "no row": ({"rows": 0}, "should hold rows"),
}


@pytest.mark.parametrize(("changes", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_tables_that_do_not_fit_are_one_sentence(
    changes: dict[str, object],
    sentence: str,
    flats: tuple[Path, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import re

    table = write_flats(tmp_path / "bad.csv", **{"rows": 5, **changes})  # type: ignore[arg-type]
    assert predict(flats, table) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert re.search(sentence, err), err


def test_rows_of_tasks_with_rows_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A column that told tasks apart says whose row each is; without it every task predicts every row."""
    pytest.importorskip("polars")
    generator = np.random.default_rng(0)
    table, data, store = tmp_path / "pupils.csv", ["--data-dir", str(tmp_path / "data")], str(tmp_path / "store")
    lines = [f"{x:.3f},{2 * x + t:.3f},{'AB'[t]}" for t in (0, 1) for x in generator.standard_normal(30)]
    table.write_text("\n".join(["x,score,form", *lines]) + "\n")
    words = ["data", "import", str(table), "--name", "pupils", "--targets", "score", "--task-column", "form", *data]
    assert main(words) == 0
    run = ["run", "pupils", "hard", "--device", "cpu", "--jobs", "1", "--set", "epochs=2", "--keep-model"]
    assert main([*run, "--store", store, *data]) == 0
    [(run_id, _)] = find_models(tmp_path / "store")
    capsys.readouterr()
    new = tmp_path / "new.csv"
    asked = ["predict", run_id, str(new), "--store", store, "--data-dir", str(tmp_path / "none"), "--json"]
    new.write_text("form,x\nB,0.5\nA,0.5\nB,1.5\n")
    assert main(asked) == 0
    own = json.loads(capsys.readouterr().out)
    names = [next(key for key in row if key != "row") for row in own]
    assert [len(row) for row in own] == [2, 2, 2]
    assert names[0] == names[2] != names[1]
    new.write_text("x,more\n0.5,1\n0.5,2\n1.5,3\n")
    assert main(asked) == 0
    every = json.loads(capsys.readouterr().out)
    assert [len(row) for row in every] == [3, 3, 3]
    for of_task, of_all, name in zip(own, every, names, strict=True):
        assert of_task[name]["prediction"] == pytest.approx(of_all[name]["prediction"], rel=1e-5)
    new.write_text("form,x\nB,0.5\nC,0.5\n")
    assert main(asked) == 2
    assert "`form` should name a task that the model was trained on. Found `C`" in capsys.readouterr().err


def test_new_rows_have_the_missing_values_of_the_import(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """-999 is missing where training had it so, and no number; columns of predictions have names of their own."""
    lines = ["a,c,row,c probability"]
    lines += [f"{-999 if k % 5 == 0 else k / 10},{'xyz'[k % 3]},{k * 0.5},{k * 1.5}" for k in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    data, store = ["--data-dir", str(tmp_path / "data")], ["--store", str(tmp_path / "store")]
    asked = ["--name", "mine", "--targets", "c,row,c probability", "--missing=-999"]
    assert main(["data", "import", str(tmp_path / "t.csv"), *asked, *data]) == 0
    capsys.readouterr()
    assert main(["run", "mine", "hard", "--set", "epochs=1", "--keep-model", *data, *store]) == 0
    [(run, _)] = find_models(tmp_path / "store")
    told = f"`mtlbench predict {run} FILE --store {tmp_path / 'store'}` uses the model of hard, seed 0.\n"
    assert told in capsys.readouterr().err
    (tmp_path / "new.csv").write_text("a,b\n-999,1\n1.5,1\n", encoding="utf-8")
    (tmp_path / "same.csv").write_text("a,b\n,1\n1.5,1\n", encoding="utf-8")
    said = []
    for file in ("new.csv", "same.csv"):
        assert main(["predict", run, str(tmp_path / file), *store]) == 0
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    assert said[0].startswith("row,c,c probability,row_2,c_probability\n0,")
