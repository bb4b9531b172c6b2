"""The documentation as a site, where the extra `docs` is installed: it builds strictly and stands by itself."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import ROOT


@pytest.mark.slow
def test_the_site_builds_and_stands_by_itself(tmp_path: Path) -> None:
    for name in ("mkdocs", "material", "mkdocstrings", "latex2mathml"):
        pytest.importorskip(name)
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"MTLBENCH_BOARDS": "leaderboard/index.html", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    pages = {str(file.relative_to(tmp_path)): file.read_text(encoding="utf-8") for file in tmp_path.rglob("*.html")}
    for name, page in pages.items():
        assert re.findall(r'<(?:script|img|iframe)[^>]+src="(?:https?:)?//|<link[^>]+stylesheet[^>]+//', page) == [], (
            name
        )
        assert 'class="arithmatex"' not in page, name  # every equation was rendered
    assert {"index.html", "parts.html", "suites/scenes.html", "examples/own_loop.html"} <= set(pages)
    assert 'href="../leaderboard/index.html"' in pages["suites/scenes.html"]
    assert "<abbr title=" in pages["concepts.html"]
    assert pages["parts.html"].count("<math") > 100
    assert pages["api.html"].count("<math") > 10
