"""Pictures of the site for README.md and docs/explore.md, taken in a real browser.

    mtlbench site --store leaderboard/results --out site
    python -m benchmarks.screenshots --site site --out docs/pictures

Needs Playwright's Python package and a Chromium (`--browser`, by default what the system has).
"""

import argparse
import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaderboard.store import Store

LARGE = 150_000  # bytes above which a picture is reduced to 256 colours
PAUSE = 80  # milliseconds in which a page notices what came into view
WIDE, PHONE = (1280, 900), (390, 844)  # windows: width and height in CSS pixels


@dataclass(frozen=True)
class Picture:
    """One picture to take.

    Attributes:
        name: Of the file, without its ending.
        page: Relative to the site.
        selector: The part that is scrolled into view; empty for the top of the page.
        window: Width and height in CSS pixels.
        theme: `light` or `dark`.
    """

    name: str
    page: str
    selector: str = ""
    window: tuple[int, int] = WIDE
    theme: str = "light"


def list_pictures(site: Path) -> list[Picture]:
    """The pictures that the pages show."""
    return [
        Picture("overview", "index.html"),
        Picture("overview-dark", "index.html", theme="dark"),
        Picture("suite", "suites/scenes.html"),
        Picture("suite-charts", "suites/scenes.html", ".charts"),
        Picture("suite-images", "suites/scenes.html", "section:has(.pictures)"),
        Picture("suite-phone", "suites/scenes.html", window=PHONE),
        Picture("method", "methods/cross_stitch.html"),
        Picture("run", f"runs/{_find_run(site)}.html"),
        Picture("dial", "dials.html"),
    ]


@contextmanager
def browser(executable: str | None = None) -> Iterator[Any]:
    """Yields a headless Chromium, `executable` or what the system has."""
    from playwright.sync_api import sync_playwright

    path = executable or next(
        (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None
    )
    with sync_playwright() as playwright:
        # Without a sandbox, since containers often lack the rights for one; it opens local pages only.
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        chromium = playwright.chromium.launch(executable_path=path, args=flags)
        try:
            yield chromium
        finally:
            chromium.close()


def settle(page: Any) -> None:
    """Wait until tables are in place and the pictures in the window are decoded."""
    page.wait_for_selector("html[data-ready]")
    page.wait_for_timeout(PAUSE)


def shoot(chromium: Any, site: Path, picture: Picture, out: Path) -> Path:
    """Take one picture and return its file, `out`/NAME.png.

    Args:
        chromium: From `browser`.
        site: Folder of the site, opened from disk.
        picture: What to take.
        out: Folder of the pictures.
    """
    width, height = picture.window
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=picture.theme)
    page = context.new_page()
    page.goto((site / picture.page).resolve().as_uri())
    settle(page)
    target = out / f"{picture.name}.png"
    if picture.selector:
        page.evaluate(f"document.querySelector({picture.selector!r}).scrollIntoView({{behavior: 'instant'}})")
        settle(page)
    _save(page.screenshot(), target)
    context.close()
    return target


def _save(png: bytes, target: Path) -> None:
    """Write a picture as PNG; in 256 colours where it would be larger than LARGE."""
    from PIL import Image

    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.save(target, optimize=True)
    # Pages have few colours; pictures of rendered scenes lose little.
    if target.stat().st_size > LARGE:
        picture.quantize(256).save(target, optimize=True)


def _find_run(site: Path) -> str:
    """A finished run of cross-stitch units on `multidigits`, whose page has every part; its run id."""
    from leaderboard.store.committed import COMMITTED

    runs = Store(COMMITTED).read().records
    own = [r for r in runs if (r.suite, r.method, r.spec.seed) == ("multidigits", "cross_stitch", 0)]
    return next(
        r.run_id
        for r in own
        if not r.spec.overrides and not r.spec.tuning and (site / f"runs/{r.run_id}.html").is_file()
    )


def main() -> None:
    """Take every picture and print its file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--browser", help="the executable of a Chromium")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with browser(given.browser) as chromium:
        for picture in list_pictures(given.site):
            print(shoot(chromium, given.site, picture, given.out))


if __name__ == "__main__":
    main()
