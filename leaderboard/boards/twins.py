"""The twin of a method: its control without the path between tasks.

`twins.json` has for each built-in sharing what its class names as `twin`, so that a table needs no torch. It is made
from the classes (`python -m tests.leaderboard.boards.test_twins --write`), and a test keeps the two the same.
"""

import json
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

from bench.records import Call, MethodText, parse_call, parse_method

TWINS_FILE = Path(__file__).parent / "twins.json"
MUTED = "muted=1"  # the twin of a sharing that is not written down, where runs of it are stored
SAME = "same"  # the value of a twin's option that is the method's own


@cache
def written_twins() -> Mapping[str, str]:
    """Name of each built-in sharing -> its twin, as in `bench.core.sharing.Sharing`; empty where it has none."""
    twins: dict[str, str] = json.loads(TWINS_FILE.read_text(encoding="utf-8"))
    return twins


def collect_twins(methods: Collection[str]) -> dict[str, str]:
    """`written_twins`, and plug-ins that were run muted: sharing -> its twin.

    methods: short texts of the methods that are stored.
    """
    calls = [parse_method(method).sharing for method in methods]
    option, _, value = MUTED.partition("=")
    return {call.name: MUTED for call in calls if call.options.get(option) == value} | dict(written_twins())


def is_muted(twin: str, method: str) -> bool:
    """Whether a twin is the method itself with further options, and no other method."""
    return parse_method(twin).sharing.name == parse_method(method).sharing.name


def find_muted(methods: Collection[str]) -> set[str]:
    """Those of the methods, in short form, that are another of them muted."""
    twins = collect_twins(methods)
    pairs = {method: write_twin(method, twins) for method in methods}
    return {twin for method, twin in pairs.items() if twin in pairs and is_muted(twin, method)}


def write_twin(method: str, twins: Mapping[str, str]) -> str | None:
    """The text of a method's twin; None where it has none, or is its own.

    A constraint is left out, since it is a path between tasks. A weighting stays where the twin is the same sharing
    with further options; separate models have no weights.

    Args:
        method: as written, in short form.
        twins: name of a sharing -> its twin, options or another sharing. Options of value `same` are the method's own.
    """
    parts = parse_method(method)
    twin = twins.get(parts.sharing.name, "")
    if not twin:
        return None
    if "=" in twin.partition(":")[0]:  # options to add
        added = parse_call(f"{parts.sharing.name}:{twin}").options
        text = str(MethodText(Call(parts.sharing.name, parts.sharing.options | added), weighting=parts.weighting))
        return text if text != method else None
    other = parse_method(twin).sharing
    own = {key: parts.sharing.options.get(key) if value == SAME else value for key, value in other.options.items()}
    return str(Call(other.name, {key: value for key, value in own.items() if value is not None}))
