"""The pages on own images and networks, run as they are written."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli.main import main
from tests.pages import list_commands, list_programs, read_page

pytest.importorskip("polars")
SHORT = ["--set", "epochs=1", "--set", "steps_per_epoch=1", "--device", "cpu"]


def choose_commands(page: str, word: str) -> list[list[str]]:
    """The words of every `mtlbench WORD` of a page of docs."""
    return [words for words in list_commands(read_page(f"docs/{page}")) if words[0] == word]


def make_folders(root: Path) -> None:
    """Photos with labels, and rooms with maps, as the pages name them."""
    draw = np.random.default_rng(0)
    (root / "photos").mkdir()
    lines = ["file,tone,red"]
    for n in range(30):
        Image.fromarray(draw.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(root / "photos" / f"{n}.png")
        lines.append(f"{n}.png,{('dark', 'light')[n % 2]},{n / 30 if n % 7 else ''}")
    (root / "labels.csv").write_text("\n".join(lines))
    for name in ("image", "depth", "segmentation", "normals", "heat"):
        (root / "rooms" / name).mkdir(parents=True)
    for n in range(12):
        at = root / "rooms"
        Image.fromarray(draw.integers(0, 255, (16, 24, 3), dtype=np.uint8)).save(at / "image" / f"{n:04}.jpg")
        Image.fromarray(draw.integers(0, 9000, (16, 24)).astype(np.uint16)).save(at / "depth" / f"{n:04}.png")
        Image.fromarray(draw.integers(0, 3, (16, 24), dtype=np.uint8)).save(at / "segmentation" / f"{n:04}.png")
        np.save(at / "normals" / f"{n:04}.npy", draw.normal(size=(16, 24, 3)))
        np.save(at / "heat" / f"{n:04}.npy", draw.normal(size=(16, 24)))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MTLBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("MTLBENCH_STORE", str(tmp_path / "runs"))
    monkeypatch.chdir(tmp_path)
    make_folders(tmp_path)
    return tmp_path


def test_the_commands_on_images_do_what_the_page_says(place: Path) -> None:
    imports = choose_commands("your_images.md", "data")
    assert [words[2] for words in imports] == ["photos", "rooms"]
    assert all(main(words) == 0 for words in imports)
    [run] = choose_commands("your_images.md", "run")
    assert main([*run, *SHORT]) == 0
    assert main(["run", "rooms", "hard", *SHORT]) == 0


def test_the_networks_of_the_page_are_cut_and_train(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("timm")
    assert main(choose_commands("your_images.md", "data")[0]) == 0
    _, *blocks = list_programs(read_page("docs/your_network.md"))  # the first, on encoders, is run with the examples
    capsys.readouterr()
    exec(blocks[0], {})
    assert capsys.readouterr().out.strip() == re.search(r"# (\[.*\])", blocks[0])[1]  # type: ignore[index]
    (place / "two_blocks.py").write_text(blocks[1])
    assert [words[1:] for words in choose_commands("your_network.md", "check")] == [["two_blocks.py"]]
    runs = [words for words in choose_commands("your_network.md", "run") if words[1].startswith("photos")]
    texts = [words[1].partition("backbone=")[2] for words in runs]
    assert texts == [
        "resnet18", "timm:model=convnext_atto", "torchvision:model=swin_t", "two_blocks:channels=24"
    ]  # fmt: skip
    for words in (runs[0], runs[1], runs[3]):  # the last with its plug-in
        assert main([*words, *SHORT]) == 0
