"""Models of imported images: a folder of new ones needs neither the data nor its folder."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.cli.main import main
from bench.core.new_rows import NewRows
from bench.planning.plan import parse_suite
from bench.prediction.answers import restore_unit
from leaderboard.store.models import find_models
from tests.bench.prediction.kept import QUICK
from tests.suites._own.small_images import COLUMNS, IMAGES, ROWS, import_photos, make_image

pytest.importorskip("polars")
SETTINGS = [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture
def run(photos: Path, data: Path, tmp_path: Path) -> str:
    """Id of a run on imported photos, in the store `tmp_path / "s"`, whose data is gone."""
    assert import_photos(photos) == 0
    words = ["--jobs", "1", "--device", "cpu", *SETTINGS, "--store", str(tmp_path / "s")]
    assert main(["run", "mine", "hard", "--keep-model", *words]) == 0
    data.rename(data.with_name("elsewhere"))
    [(run, _)] = find_models(tmp_path / "s")
    return run


def test_a_folder_of_images_is_predicted(
    run: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each image by its path, as the rows of the data set are, in the unit of the target; other sizes are resized."""
    new = tmp_path / "new" / "in"
    new.mkdir(parents=True)
    for n in (4, 7):
        Image.fromarray(make_image(n)).save(new / f"{n}.png")
    Image.fromarray(make_image(4)).resize((2 * COLUMNS, 2 * ROWS)).save(new / "large.png")
    Image.fromarray(make_image(4)[:, :, 0]).save(new / "grey.png")
    words = ["--store", str(tmp_path / "s"), "--json"]
    capsys.readouterr()
    assert main(["predict", run[:8], str(new.parent), *words]) == 0
    table = json.loads(capsys.readouterr().out)
    assert [row["row"] for row in table] == ["in/4.png", "in/7.png", "in/grey.png", "in/large.png"]
    by_row = {row["row"]: row for row in table}
    from bench.prediction.find import find_card, read_kept_model
    from bench.training.rebuild import rebuild_model

    card, weights = read_kept_model(find_card(tmp_path / "s", run))
    _, suite = parse_suite("mine", tmp_path / "elsewhere")
    stored = suite.dataset("train", 0)
    bytes_ = np.stack([make_image(4), make_image(7)])
    inputs, _, _ = stored.transform(torch.from_numpy(bytes_), {}, None), None, None  # type: ignore[misc]
    outputs = rebuild_model(card, weights).predict(NewRows(range(2), dict.fromkeys(("tone", "red"), inputs[0])))
    expected = restore_unit(outputs["red"], card.suite["units"]["red"])[:, 0]
    assert [by_row[f"in/{n}.png"]["red"]["prediction"] for n in (4, 7)] == pytest.approx(expected.tolist(), rel=1e-5)
    assert {row["tone"]["prediction"] for row in table} <= {"dark", "grey", "light"}
    # One image by itself, and in the unit of the target, which is n / 7.
    assert main(["predict", run[:8], str(new / "7.png"), *words]) == 0
    [alone] = json.loads(capsys.readouterr().out)
    assert alone["row"] == "7.png"
    assert alone["red"]["prediction"] == pytest.approx(by_row["in/7.png"]["red"]["prediction"], rel=1e-5)
    assert 0 < alone["red"]["prediction"] < IMAGES / 7


def test_folders_that_cannot_be_predicted_are_one_sentence(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.png").write_bytes(b"no picture")
    cases = {
        "empty": "should hold images, .png, .jpg or .npy. Found none.",
        "bad": "should be a picture that can be read",
        "none": "FILE should be a file of new rows, or a folder of images. Found none at",
    }
    for folder, sentence in cases.items():
        capsys.readouterr()
        assert main(["predict", run[:8], str(tmp_path / folder), "--store", str(tmp_path / "s")]) == 2
        said = capsys.readouterr().err
        assert sentence in said
        assert said.count("\n") == 1
