"""A site of named records in a real browser, from disk and without a network."""

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from bench.records import Packed
from bench.records.record import Curves
from bench.records.sheet import Sheet
from benchmarks.screenshots import WIDE, browser, settle
from leaderboard.boards.board import Board
from leaderboard.site import write_site
from leaderboard.store import Store
from tests.leaderboard.conftest import build_record

PATIENCE = 180_000  # milliseconds that a loaded machine may take for anything
METHODS = {"single_task": 0.0, "hard": -1.0, "cross_stitch": 1.0, "soft+l2": 0.5, "lora": 0.2, "mtan": -2.0}
METHODS |= {f"soft+l2:halflife={value}": value / 100 for value in (1.0, 10.0, 100.0, 200.0)}


@pytest.fixture(scope="module")
def chromium():
    if not any(map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))):
        if os.environ.get("MTLBENCH_BROWSER") == "required":
            pytest.fail("There should be a Chromium.")
        pytest.skip("no Chromium on this machine")
    with browser() as found:
        yield found


def records(suite="toy", script=""):
    for number, (method, gain) in enumerate(METHODS.items()):
        for seed in range(5):
            noise = 0.1 * ((seed * 7 + number * 3) % 5)
            extra = {
                "matrices": {f"stitch.0{script}": Packed.pack(np.eye(2))},
                "cosines": Packed.pack(np.array([[1, 0.3], [0.3, 1]])),
                "effective_sharing": {f"0.weight{script}": 0.6, "1.weight": 0.9},
                "curves": Curves(
                    train_loss={"left": [1.0, 0.5, 0.2], "right": [1.0, 0.6, None]},
                    val={"left": {"accuracy": [80.0, 90.0, 92.0]}, "right": {"accuracy": [70.0, 85.0, 88.0]}},
                ),
                "environment": {"python": f"3.11{script}"},
                "created": f"2026{script}",
            }
            values = {f"left{script}": 95 + gain + noise, "right": 90 + gain - noise}
            yield build_record(method + script, seed, values, suite=suite, **extra)


def picture():
    """A sheet of a panel with two tasks, in one colour."""
    sheet = Sheet(("left", "right"), 60, 40)
    buffer = io.BytesIO()
    Image.new("RGB", sheet.size, "teal").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Two suites, one of them with a committed board, a failed run and a picture."""
    folder = tmp_path_factory.mktemp("site")
    store = Store(folder / "results")
    for record in [*records(), *records("other"), build_record("mmoe", 0, failed=True)]:
        path = store.path(record.spec)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record.model_dump_json())
    first = next(record for record in records() if record.method == "mtan")
    store.write_panels(first.spec, [picture(), picture()])
    contents = store.read()
    assert contents.problems == []
    board = Board(name="toy", title="Toy board", version=1, suite="toy", methods=list(METHODS), seeds="0-4")
    write_site(contents, [board], folder / "out", "results")
    return folder / "out"


@pytest.fixture
def visit(chromium, site):
    """Opens a page; whatever it says on the console, raises or fetches from elsewhere is a failure at the end."""
    contexts, said = [], []

    def go(name, window=WIDE, theme="light", folder=site, anchor=""):
        context = chromium.new_context(
            viewport={"width": window[0], "height": window[1]}, color_scheme=theme, offline=True, accept_downloads=True
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(("file:", "data:", "blob:")) else said.append(r.url))
        page.goto(f"{folder.as_uri()}/{name}{anchor}")
        settle(page)
        return page

    yield go
    for context in contexts:
        context.close()
    assert said == []
