"""The twin of a method: the same or the nearest method without a path between tasks, which serves as its control.

`twins.json` repeats what each built-in sharing class names as `twin`, so that tables need no torch. It is made from the
classes (`python -m tests.leaderboard.boards.test_twins --write`), and a test keeps the two the same.
"""

import json
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

from bench.errors import UsageError
from bench.records import Call, MethodText, parse_call, parse_method

TWINS_FILE = Path(__file__).parent / "twins.json"
MUTED = "muted=1"  # the twin of a plug-in's sharing, which no file lists, where runs of it are stored
SAME = "same"  # as the value of a twin's option: take the method's own value


@cache
def read_twins() -> Mapping[str, str]:
    """Name of each built-in sharing -> its twin, as in `bench.core.sharing.Sharing`; empty where it has none."""
    twins: dict[str, str] = json.loads(TWINS_FILE.read_text(encoding="utf-8"))
    return twins


def collect_twins(methods: Collection[str]) -> dict[str, str]:
    """The twins of built-in sharings, and of plug-ins that were run muted: sharing -> its twin.

    methods: short texts of the methods that are stored; what is no method's text has no twin.
    """
    calls = [parts.sharing for method in methods if (parts := _parse(method))]
    option, _, value = MUTED.partition("=")
    # Written twins win: of a built-in sharing the class itself says what its twin is.
    return {call.name: MUTED for call in calls if call.options.get(option) == value} | dict(read_twins())


def is_muted(twin: str, method: str) -> bool:
    """Whether a twin is the method itself with further options, not another method."""
    parts, twins = _parse(method), _parse(twin)
    return parts is not None and twins is not None and twins.sharing.name == parts.sharing.name


def find_muted(methods: Collection[str]) -> set[str]:
    """Those of the methods that are another one of them muted; all in short form."""
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
    parts = _parse(method)
    twin = twins.get(parts.sharing.name, "") if parts else ""
    if not parts or not twin:
        return None
    if "=" in twin.partition(":")[0]:  # options to add
        added = parse_call(f"{parts.sharing.name}:{twin}").options
        text = str(MethodText(Call(parts.sharing.name, parts.sharing.options | added), weighting=parts.weighting))
        return text if text != method else None
    other = parse_method(twin).sharing
    own = {key: parts.sharing.options.get(key) if value == SAME else value for key, value in other.options.items()}
    return str(Call(other.name, {key: value for key, value in own.items() if value is not None}))


def _parse(method: str) -> MethodText | None:
    """The parts of a method's text; None where it has none: a record may say whatever its writer liked."""
    try:
        return parse_method(method)
    except UsageError:
        return None
