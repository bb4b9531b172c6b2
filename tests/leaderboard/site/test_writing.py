"""Pages written by several processes are those that one writes."""

import sys
from pathlib import Path

import pytest

from bench.records import ResultRecord
from leaderboard.site import write_site
from leaderboard.site.writing import FEWEST, count_writers, write_pages
from leaderboard.store import StoreContents


@pytest.mark.skipif(sys.platform != "linux", reason="processes are split on Linux only")
def test_two_writers_write_the_bytes_of_one(
    tmp_path: Path, three_methods: list[ResultRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    trees = []
    for count in (1, 2):
        out = tmp_path / str(count)
        monkeypatch.setattr("leaderboard.site.writing.count_writers", lambda pages, count=count: min(count, pages))
        write_site(StoreContents(three_methods), [], out, "runs")
        trees.append({path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()})
    assert trees[0] == trees[1]
    assert len(trees[0]) > 20


@pytest.mark.skipif(sys.platform != "linux", reason="processes are split on Linux only")
def test_what_a_writer_cannot_render_ends_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> bytes:
        raise ValueError("not this one")

    monkeypatch.setattr("leaderboard.site.writing.count_writers", lambda pages: 2)
    with pytest.raises(ValueError, match="not this one"):
        write_pages([("a.html", lambda: b"a"), ("b.html", fail)], str(tmp_path), set())


def test_few_pages_have_one_writer() -> None:
    assert count_writers(FEWEST) == 1
    assert count_writers(2 * FEWEST) <= 2
