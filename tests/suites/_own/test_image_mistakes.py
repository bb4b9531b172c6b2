"""Folders of images that are refused, in one sentence, with nothing written."""

import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli.main import main
from tests.suites._own.small_images import COLUMNS, ROWS, import_photos, import_rooms, make_classes, make_image

pytest.importorskip("polars")


def write_deep_png(path: Path) -> None:
    """A PNG of 16 bits with alpha, which Pillow would read as 8 bits."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", COLUMNS, ROWS, 16, 6, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\1" * 8 * COLUMNS) * ROWS)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b""))


def spoil_photos(photos: Path, how: str) -> list[str]:
    """Make one mistake; further words of the command."""
    first = sorted(photos.iterdir())[0]
    table = photos.parent / "labels.csv"
    match how:
        case "alpha":
            write_deep_png(first)
        case "size":
            Image.fromarray(make_image(0)[:10]).save(first)
        case "truncated":
            first.write_bytes(first.read_bytes()[:200])
        case "row":
            table.write_text(table.read_text() + "lost.png,dark,1,7\n")
        case "image":
            shutil.copy(first, photos / "extra.png")
        case "constant":
            table.write_text(
                "\n".join(
                    [line.replace("dark", "grey").replace("light", "grey") for line in table.read_text().splitlines()]
                )
            )
        case "twice":
            table.write_text(table.read_text() + table.read_text().splitlines()[1] + "\n")
        case "column":
            return ["--targets", "ton"]
        case "both":
            return ["--maps"]
        case "name":
            return ["--file-column", "tone"]
        case "table":
            return ["--task-column", "tone"]
        case "text":
            return ["--size", "big"]
        case "scale":
            return ["--scale", "tone=2"]
    return []


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("alpha", "should have 8 bits a channel, or 16 bits of grey without alpha. Found 16-bit colours with an alpha"),
        ("size", "All images should have one size. Found 10x24 (`a_00.png`) and 20x24 (`a_02.png`); bring them to one"),
        ("truncated", "should be a picture that can be read. Found: "),
        ("row", "Every row of the table should have an image. Found none for `lost.png`; add the files"),
        ("image", "Every image should have a row in the table. Found none for `extra.png`; add the rows"),
        ("constant", "The target `tone` should vary. Found `grey` in every row"),
        ("twice", "Every image should have one row in the table. Found two or more of `a_00.png`."),
        ("column", "there is no `ton`, the nearest: `tone`"),
        ("both", "should come with `--labels FILE`, a table with a row for each image, or with `--maps`"),
        ("name", "The table of labels should have a column with names of the files, as `a_00.png`. Found none"),
        ("table", "`--task-column` is for tables, and has no effect on a folder of images."),
        ("text", "`--size` should read ROWSxCOLUMNS, as 64x64. Found `big`."),
        ("scale", "`--scale` is for maps, and has no effect on a table of labels."),
    ],
)
def test_mistakes_in_labelled_images_are_one_sentence(
    photos: Path, data: Path, how: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert import_photos(photos, *spoil_photos(photos, how)) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not list((data / "own").glob("*")) if data.exists() else True


def spoil_rooms(rooms: Path, how: str) -> list[str]:
    """Make one mistake; further words of the command."""
    match how:
        case "size":
            np.save(rooms / "heat" / "r3.npy", np.ones((5, 6), np.float32))
        case "classes":
            classes = make_classes(0)
            classes[5, 5] = 9
            Image.fromarray(classes).save(rooms / "segmentation" / "r0.png")
        case "ignore":
            return ["--ignore", "segmentation=7"]
        case "constant":
            for path in (rooms / "heat").iterdir():
                np.save(path, np.ones((ROWS, COLUMNS), np.float32))
        case "hidden":
            for path in (rooms / "heat").iterdir():
                np.save(path, np.full((ROWS, COLUMNS), np.nan, np.float32))
        case "image":
            (rooms / "image" / "r4.png").unlink()
        case "twice":
            shutil.copy(rooms / "heat" / "r1.npy", rooms / "image" / "r1.npy")
        case "deep":
            write_deep_png(rooms / "depth" / "r2.png")
        case "name":
            return ["--scale", "dept=2"]
        case "group":
            return ["--group", "person"]
        case "missing":
            return ["--missing=-999"]
        case "none":
            shutil.rmtree(rooms / "image")
        case "colours":
            Image.fromarray(make_image(0)).save(rooms / "depth" / "r0.png")
    return []


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("size", "should have the size of the images, 20x24. Found 5x6; bring all to one, as with `--size 20x24`."),
        ("classes", "Classes of `segmentation` should be 0 to K - 1, each in some map. Found [0, 1, 2, 9], without 3"),
        ("ignore", "or give the number of unlabelled pixels, as in `--ignore segmentation=255`."),
        ("constant", "The maps of `heat` should vary. Found 1 in every pixel; leave the task out."),
        ("hidden", "The maps of `heat` should have a pixel with a label. Found none"),
        ("image", "Every map should have an image. Found none in `image` for `depth/r4`; add the images"),
        ("twice", "Files should have names of their own. Found `r1.npy` and `r1.png` in `image`; remove one."),
        ("deep", "should have 8 bits a channel, or 16 bits of grey without alpha. Found 16-bit colours with an alpha"),
        ("name", "`--scale` should name folders of maps. Found `dept`."),
        ("group", "`--group` of maps should be `prefix`. Found `person`; leave it out."),
        ("missing", "`--missing` is for tables of labels, and has no effect on maps."),
        ("none", "should have a folder `image` beside one for each task, as `depth`. Found `depth`, `heat`, `normals`"),
        ("colours", "should hold (rows, columns) numbers for depth. Found uint8 of (20, 24, 3)."),
    ],
)
def test_mistakes_in_maps_are_one_sentence(
    rooms: Path, data: Path, how: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert import_rooms(rooms, *spoil_rooms(rooms, how)) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert not list((data / "own").glob("*")) if data.exists() else True


def test_nothing_is_left_of_an_import_that_breaks_off(rooms: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("suites._own.image_import.write_map_target", stop)
    assert main(["data", "import", str(rooms), "--name", "mine", "--maps", "--ignore", "segmentation=255"]) == 130
    assert list((data / "own").iterdir()) == []
