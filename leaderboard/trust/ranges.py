"""Ranges of the values in one record: numbers and texts that no run has, whatever the rest of the record says.

Scores and statistics are checked wherever a record is read (`ResultRecord.find_problems`); this is about the rest of
it, which is shown on pages and compared between runs.
"""

import re

import numpy as np

from bench.errors import make_printable
from bench.records import Packed, ProbeResults, ResultRecord
from bench.scores import MAX_COUNT

# Far above any run and far below what would break a page.
MAX_TEXT = 1000  # characters of a name, a version, a message
MAX_PARTS = 1000  # tasks, matrices, layers, curves of one run
_LEAKS = re.compile(r"(?:^|\s)(?:/[\w.-]+){2,}|[a-zA-Z]:\\\\")  # what looks like an absolute path


def find_out_of_range(record: ResultRecord) -> list[str]:
    """Find numbers and texts that no run has, a sentence each; they need not fit each other.

    Matrices should be finite, cosines in [-1, 1], effective sharing in [0, 1], costs in [0, 2^53], with a margin where
    numbers are rounded; texts short and printable, and without paths of somebody's machine.
    """
    reasons = _check_texts(record)
    packed: dict[str, Packed] = dict(record.matrices) | ({"cosines": record.cosines} if record.cosines else {})
    for name, matrix in packed.items():
        try:
            values = matrix.unpack()
        except (ValueError, OverflowError) as error:
            reasons.append(f"{name}: {error}")
            continue
        if not np.isfinite(values).all():
            reasons.append(f"{name}: should hold finite values only")
        # float16 rounds 1 to within 1e-3.
        elif name == "cosines" and np.abs(values).max(initial=0) > 1 + 1e-3:
            reasons.append("cosines: should lie in [-1, 1]")
    for name, value in record.effective_sharing.items():
        if not -1e-4 <= value <= 1 + 1e-4:
            reasons.append(f"effective_sharing.{name}: should lie in [0, 1], found {value}")
    reasons += _check_probes(record.probes) if record.probes else []
    for name, value in record.cost or ():
        if isinstance(value, (int, float)) and not 0 <= value <= MAX_COUNT:
            reasons.append(f"cost.{name}: should not be negative or above 2^53, found {value:g}")
    for name, text in [*record.environment.items(), *([("hardware", record.cost.hardware)] if record.cost else [])]:
        if _LEAKS.search(text):
            reasons.append(f"environment.{name}: should be a version, found what looks like a path")
    return reasons


def _check_probes(probes: ProbeResults) -> list[str]:
    """Check what probes found: shares in [0, 1], R^2 in [-1, 1], as many numbers as epochs, and finite matrices."""
    reasons = []
    paths = {f"sharing.{name}": path for name, path in probes.sharing.items()}
    paths |= {f"decodable.{name}.{task}": path for name, of in probes.decodable.items() for task, path in of.items()}
    for name, path in paths.items():
        least = 0 if name.startswith("sharing.") else -1
        if len(path) != len(probes.epochs) or not all(least - 1e-4 <= value <= 1 + 1e-4 for value in path):
            reasons.append(f"probes.{name}: should have a number in [{least}, 1] for each of `epochs`")
    for name, matrix in [*probes.likeness.items(), *probes.uses.items()]:
        try:
            sound = bool(np.isfinite(matrix.unpack()).all())
        except (ValueError, OverflowError):
            sound = False
        if not sound:
            reasons.append(f"probes.{make_printable(name, 40)}: should hold finite values only")
    if max(map(len, (probes.epochs, paths, probes.owners, probes.blocks, probes.likeness))) > MAX_PARTS:
        reasons.append(f"probes: should have at most {MAX_PARTS} parts")
    return reasons


def _check_texts(record: ResultRecord) -> list[str]:
    """Check the lengths of texts and of lists: a record is shown to people, line by line."""
    texts = {
        "suite": record.suite,
        "method": record.method,
        "spec.suite": record.spec.suite,
        "spec.method": record.spec.method,
        "created": record.created,
        "cost.hardware": record.cost.hardware if record.cost else "",
    }
    keys = {"tasks": record.tasks, "data": record.data, "matrices": record.matrices}
    keys |= {"effective_sharing": record.effective_sharing, "environment": record.environment}
    texts |= {f"{field}.{number}": name for field, names in keys.items() for number, name in enumerate(names)}
    texts |= {f"environment.{make_printable(name, 40)}": text for name, text in record.environment.items()}
    lines = texts | {"error.message": record.error.message} if record.error else texts  # which may have several
    counts = {field: len(names) for field, names in keys.items()}
    counts["curves"] = len(record.curves.val) + len(record.curves.train_loss)
    return [
        *(f"{name}: should be at most {MAX_TEXT} characters" for name, text in lines.items() if len(text) > MAX_TEXT),
        *(
            f"{name}: should be printable, found {make_printable(t, 60)}"
            for name, t in texts.items()
            if not t.isprintable()
        ),
        *(f"{name}: should be at most {MAX_PARTS}, found {n:,}" for name, n in counts.items() if n > MAX_PARTS),
    ]
