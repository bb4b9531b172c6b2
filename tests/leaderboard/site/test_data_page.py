"""Data out of a site: the table, its description, the licence, records and how to cite."""

import gzip
import hashlib
import json
import re
from html import unescape
from pathlib import Path

import pytest

from bench.records import ResultRecord
from leaderboard.analysis.run_rows import RunRow, list_run_rows
from leaderboard.export import run_files
from leaderboard.export.citation import read_citation
from leaderboard.export.run_files import format_runs_csv
from leaderboard.site import write_site
from leaderboard.site.pages.data import write_size
from leaderboard.store import Store, StoreContents

Records = list[ResultRecord]
LICENCE = "Some licence 1.0\n\nAt https://creativecommons.org/licenses/by/4.0/legalcode.\n"


@pytest.fixture
def store(tmp_path: Path, three_methods: Records) -> Store:
    """A store with a licence."""
    store = Store(tmp_path / "runs")
    for day, record in enumerate(three_methods):
        store.write(record.model_copy(update={"created": f"2026-03-{day + 1:02}T12:00:00+00:00"}).seal())
    (store.root / "LICENSE").write_text(LICENCE)
    return store


def test_the_table_is_that_of_the_command_and_its_description_has_its_checksum(store: Store, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    contents = store.read()
    folder = write_site(contents, [], tmp_path / "out", "runs").parent / "download"
    assert gzip.decompress((folder / "runs.csv.gz").read_bytes()) == format_runs_csv(
        list(list_run_rows(contents.records))
    )
    described = json.loads((folder / "croissant.json").read_text())
    assert [file["@id"] for file in described["distribution"]] == ["runs.csv.gz", "runs.parquet"]
    for file in described["distribution"]:
        data = (folder / file["contentUrl"]).read_bytes()
        assert file["sha256"] == hashlib.sha256(data).hexdigest()
        assert file["contentSize"] == f"{len(data)} B"
    fields = described["recordSet"][0]["field"]
    assert [field["source"]["extract"]["column"] for field in fields] == list(RunRow._fields)
    assert described["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert described["license"] == "https://creativecommons.org/licenses/by/4.0/"
    assert described["datePublished"] == "2026-03-13"


def test_the_page_of_the_data_names_every_file_and_every_column(store: Store, tmp_path: Path) -> None:
    folder = write_site(store.read(), [], tmp_path / "out", "runs").parent
    page = (folder / "data.html").read_text()
    assert "13 runs, 26 rows" in page
    assert "Some licence 1.0" in page
    assert (folder / "download/LICENSE").read_text() == LICENCE
    assert "mtlbench export runs.csv --store runs" in page
    for file in (folder / "download").iterdir():
        assert f'href="download/{file.name}"' in page
    heads = "".join(re.findall(r'<th scope="row">(.*?)</th>', page))
    assert re.findall(r"<code>(\w+)</code>", heads) == list(RunRow._fields)


def test_a_store_without_a_licence_or_pyarrow_says_so(
    three_methods: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_files, "find_spec", lambda name: None)
    folder = write_site(StoreContents(three_methods), [], tmp_path / "out", "runs").parent
    assert sorted(path.name for path in (folder / "download").iterdir()) == ["croissant.json", "runs.csv.gz"]
    page = (folder / "data.html").read_text()
    assert "pyarrow was not installed" in page
    assert "has no file <code>LICENSE</code>" in page
    assert "license" not in json.loads((folder / "download/croissant.json").read_text())


def test_the_page_of_a_run_leads_to_its_record(store: Store, tmp_path: Path) -> None:
    folder = write_site(store.read(), [], tmp_path / "out", "runs").parent
    for record in store.read().records:
        assert f'href="../runs/{record.run_id}.json"' in (folder / f"runs/{record.run_id}.html").read_text()
        own = ResultRecord.model_validate_json((folder / f"runs/{record.run_id}.json").read_bytes())
        assert own == record
        assert own.find_problems() == []


def test_the_page_that_says_how_to_cite(store: Store, tmp_path: Path) -> None:
    citation = read_citation()
    assert citation is not None
    page = (write_site(store.read(), [], tmp_path / "out", "runs").parent / "cite.html").read_text()
    texts = [unescape(text) for text in re.findall(r"<pre .*?><code>(.*?)</code>", page, re.DOTALL)]
    assert texts == [citation.bibtex.rstrip(), citation.apa]


def test_sizes_are_for_people() -> None:
    assert [write_size(size) for size in (0, 999, 1000, 123_456, 5_250_000)] == [
        "0 bytes",
        "999 bytes",
        "1.0 kB",
        "123.5 kB",
        "5.2 MB",
    ]
