"""The description of the table of all runs for programs: JSON-LD in the form of MLCommons Croissant 1.0.

Source: Croissant Format Specification, version 1.0, 2024, http://mlcommons.org/croissant/1.0: a `Dataset` of schema.org
with its files (`distribution`) and, for each column, where in the files it is found (`recordSet`).
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from leaderboard.export.citation import Citation
from leaderboard.export.columns import list_run_columns

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
_TERMS = (
    "citeAs column conformsTo data dataType equivalentProperty examples extract field fileObject fileProperty fileSet "
    "format includes isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace "
    "samplingRate separator source subField transform"
)
# Terms whose values are JSON, or names of a vocabulary.
_SPECIAL_TERMS = {
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}
_DATA_TYPES = {str: "sc:Text", int: "sc:Integer", float: "sc:Float", bool: "sc:Boolean"}
# Of what is compressed the format inside: readers see by the content that it is.
_ENCODINGS = {".csv": "text/csv", ".csv.gz": "text/csv", ".parquet": "application/x-parquet"}


def describe_dataset(
    files: Mapping[str, bytes], *, name: str, text: str, page: str, licence: str, date: str, citation: Citation | None
) -> bytes:
    """The description as JSON, with the checksum and size of each file; equal arguments give equal bytes.

    Args:
        files: name -> content of the files, which lie beside the description; columns are found in the first one.
        name, text: of the data set, and what it holds.
        page: its address.
        licence: the address of its licence, or its text; empty where it has none.
        date: when its newest run was made, `YYYY-MM-DD`; empty for no runs.
        citation: of the project; None where it is not known.
    """
    special = {term: f"cr:{term}" for term in _TERMS.split()} | _SPECIAL_TERMS
    context = {
        "@language": "en",
        "@vocab": "https://schema.org/",
        "cr": "http://mlcommons.org/croissant/",
        "dct": "http://purl.org/dc/terms/",
        "rai": "http://mlcommons.org/croissant/RAI/",
        "sc": "https://schema.org/",
        **special,
    }
    known: dict[str, Any] = {
        "license": licence,
        "datePublished": date,
        "citeAs": citation.bibtex if citation else "",
        "creator": [_describe_author(author.family, author.given) for author in citation.authors] if citation else [],
        "version": citation.version if citation else "",
        "keywords": list(citation.keywords) if citation else [],
    }
    content = {
        "@context": dict(sorted(context.items())),
        "@type": "sc:Dataset",
        "name": name,
        "description": text,
        "conformsTo": CONFORMS_TO,
        "url": page,
        **{key: value for key, value in known.items() if value},
        "distribution": [_describe_file(file, data) for file, data in files.items()],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "runs",
                "name": "runs",
                "description": "One row for each run, task and metric, on the test split.",
                "field": [_describe_field(next(iter(files)), column) for column in list_run_columns()],
            }
        ],
    }
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def _describe_author(family: str, given: str) -> dict[str, str]:
    """A person, or a group, which has no given name."""
    kind = "sc:Person" if given else "sc:Organization"
    return {"@type": kind, "name": f"{given} {family}".strip()}


def _describe_file(name: str, data: bytes) -> dict[str, str]:
    """A file: where it is, how long, in which format, with its checksum."""
    ending = next(ending for ending in sorted(_ENCODINGS, key=len, reverse=True) if name.endswith(ending))
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{len(data)} B",
        "encodingFormat": _ENCODINGS[ending],
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def _describe_field(file: str, column: Any) -> dict[str, Any]:
    """A column, and the file that it is read from."""
    return {
        "@type": "cr:Field",
        "@id": f"runs/{column.name}",
        "name": column.name,
        "description": column.text,
        "dataType": _DATA_TYPES[column.kind],
        "source": {"fileObject": {"@id": file}, "extract": {"column": column.name}},
    }
