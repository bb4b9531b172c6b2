"""The grammar of the command line, as text: what a name looks like before anyone knows what it means.

    METHOD  name[:key=value,...][+constraint[:key=value,...]][@weighting[:key=value,...]]
    SUITE   name[:key=value,...]

Meaning (which keys there are, their types and defaults) belongs to `bench.catalogue.registry`.
"""

import re
from dataclasses import dataclass, field

from bench.errors import UsageError

UNWEIGHTED = "uniform"  # the weighting of a method that names none
PART_NAME = r"[A-Za-z][A-Za-z0-9_]*"  # of parts and options
_NAME = re.compile(rf"{PART_NAME}\Z")


@dataclass(frozen=True)
class Call:
    """A name with options, as written: `hard:split=2` is `Call("hard", {"split": "2"})`."""

    name: str
    options: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        options = ",".join(f"{key}={self.options[key]}" for key in sorted(self.options))
        return f"{self.name}:{options}" if options else self.name


@dataclass(frozen=True)
class MethodText:
    """The three parts of a method, as written: sharing + constraint @ weighting."""

    sharing: Call
    constraint: Call | None = None
    weighting: Call | None = None

    def __str__(self) -> str:
        constraint = f"+{self.constraint}" if self.constraint else ""
        weighting = f"@{self.weighting}" if self.weighting else ""
        return f"{self.sharing}{constraint}{weighting}"


def _mended(text: str) -> str:
    """`text` as it was meant, where a name has hyphens, or a comma stands before the first option."""
    with_colons = re.sub(r"(?:(?<=[+@])|^)([A-Za-z][\w-]*),(?=\w+=)", r"\1:", text)
    return re.sub(
        r"(?:(?<=[+@])|^)[A-Za-z]\w*(?:-\w+)+(?=[:+@]|$)", lambda match: match[0].replace("-", "_"), with_colons
    )


def parse_call(text: str) -> Call:
    """Read `name[:key=value,...]`. Raises UsageError with one sentence where the text is malformed."""
    name, colon, rest = text.partition(":")
    if not text:
        raise UsageError("A name should be given, as in `hard:split=2`. Found nothing.")
    if (right := _mended(text)) != text:
        raise UsageError(f"`{text}` should be written `{right}`.")
    if not _NAME.match(name):
        raise UsageError(f"`{text}` should start with a name, as in `hard:split=2`. Found `{name}`.")
    options: dict[str, str] = {}
    for item in rest.split(",") if colon else []:
        key, equals, value = item.partition("=")
        if not (_NAME.match(key) and equals and value):
            raise UsageError(f"The options of `{name}` should read key=value,key=value. Found `{item}`.")
        if key in options:
            raise UsageError(f"`{name}` should be given each option once. Found `{key}` twice.")
        options[key] = value
    return Call(name, options)


def parse_method(text: str) -> MethodText:
    """Read `sharing[+constraint][@weighting]`; `+` starts a constraint only before a letter (`1e+1` is a number)."""
    if (right := _mended(text)) != text:
        raise UsageError(f"`{text}` should be written `{right}`.")
    left, at, weighting = text.partition("@")
    if at and re.search(r"\+(?=[A-Za-z])", weighting):
        raise UsageError(f"`{text}` should name its constraint before the weighting, as in `soft+l2@uniform`.")
    if at and not weighting:
        raise UsageError(f"`{text}` should name a weighting after the `@`, as in `hard@uncertainty`.")
    sharing, *constraints = re.split(r"\+(?=[A-Za-z])", left)
    if len(constraints) > 1 or "@" in weighting:
        raise UsageError(f"`{text}` should hold at most one +constraint and one @weighting.")
    return MethodText(
        parse_call(sharing),
        parse_call(constraints[0]) if constraints else None,
        parse_call(weighting) if at else None,
    )


def parse_seeds(text: str) -> list[int]:
    """Read `0-4`, `3` or `0,2,5-7` into an ascending list of seeds without repeats."""
    seeds: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,9})(?:-([0-9]{1,9}))?\s*", part)
        if not match:
            raise UsageError(f"Seeds should read like `0-4` or `0,2,7`. Found `{text}`.")
        low, high = int(match[1]), int(match[2] or match[1])
        if high < low:
            raise UsageError(f"Seeds should run upwards, as in `{high}-{low}`. Found `{part}`.")
        if high - low >= 10_000:
            raise UsageError(f"Seeds should be at most 10000 at a time. Found `{part}`.")
        seeds.update(range(low, high + 1))
    return sorted(seeds)
