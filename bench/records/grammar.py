"""The grammar of the command line, as text: how a name is written, before it is looked up.

    METHOD  name[:key=value,...][+constraint[:key=value,...]][@weighting[:key=value,...]]
    SUITE   name[:key=value,...]

Meaning (which keys there are, their types and defaults) belongs to `bench.catalogue.registry`, so
that records of methods that are not installed can still be read.
"""

import re
from dataclasses import dataclass, field

from bench.errors import UsageError

UNWEIGHTED = "uniform"  # the weighting of a method that names none
METHOD_PARTS = ("sharing", "constraint", "weighting")  # in the order of a method's text
# The sharing that a part of another kind is compared on: towers for a constraint to hold, one trunk for a weighting.
CARRIERS = {"constraint": "soft", "weighting": "hard"}
PART_NAME = r"[A-Za-z][A-Za-z0-9_]*"  # of parts and options
_NAME = re.compile(rf"{PART_NAME}\Z")


@dataclass(frozen=True)
class Call:
    """A name with options, as written: `hard:split=2` is `Call("hard", {"split": "2"})`.

    Values are text; `bench.catalogue.options` turns them into numbers. `str()` sorts the options by key,
    so two calls with equal options have one text.
    """

    name: str
    options: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        options = ",".join(f"{key}={self.options[key]}" for key in sorted(self.options))
        return f"{self.name}:{options}" if options else self.name


@dataclass(frozen=True)
class MethodText:
    """The three parts of a method, as written: sharing + constraint @ weighting.

    A part that was not written is None; its default is filled in by `bench.catalogue.method`. `str()`
    gives the text back, with the options of each part sorted.
    """

    sharing: Call
    constraint: Call | None = None
    weighting: Call | None = None

    def __str__(self) -> str:
        constraint = f"+{self.constraint}" if self.constraint else ""
        weighting = f"@{self.weighting}" if self.weighting else ""
        return f"{self.sharing}{constraint}{weighting}"


def complete_method(kind: str, part: Call, sharing: Call | None = None) -> MethodText:
    """The method that a lone part of this kind stands for, by its text alone: nothing is looked up.

    A sharing stands for itself, `l2` for `soft+l2` and `pcgrad` for `hard@pcgrad`; another `sharing` takes the place of
    `soft` and `hard`. Raises KeyError for a kind that is no part of a method.
    """
    if kind == "sharing":
        return MethodText(part)
    carrier = sharing or Call(CARRIERS[kind])
    return MethodText(carrier, part) if kind == "constraint" else MethodText(carrier, weighting=part)


def _mend(text: str) -> str:
    """Undo the two usual slips: hyphens in a name, and a comma in place of the first colon.

    Any other text comes back as it is. The result is proposed in the error, never used in its place.
    """
    with_colons = re.sub(r"(?:(?<=[+@])|^)([A-Za-z][\w-]*),(?=\w+=)", r"\1:", text)
    return re.sub(
        r"(?:(?<=[+@])|^)[A-Za-z]\w*(?:-\w+)+(?=[:+@]|$)", lambda match: match[0].replace("-", "_"), with_colons
    )


def parse_call(text: str) -> Call:
    """Read `name[:key=value,...]`.

    Values are not interpreted. A value may hold any character but a comma, and has at least one.

    Raises:
        UsageError: the text is empty, its name is not an identifier, an option is not `key=value`, or a
            key is given twice. Where a slip is plain, the sentence has the text as it should be.
    """
    name, colon, rest = text.partition(":")
    if not text:
        raise UsageError("A name should be given, as in `hard:split=2`. Found nothing.")
    if (right := _mend(text)) != text:
        raise UsageError(f"`{text}` should be written `{right}`.")
    if not _NAME.match(name) and (close := re.sub(r"\s+", "", text)) != text:
        raise UsageError(f"`{text}` should have no spaces: `{close}`.")
    if name.endswith("+"):
        raise UsageError(f"`{text}` should name a constraint after the `+`, as in `soft+l2`.")
    if not _NAME.match(name):
        raise UsageError(f"`{text}` should start with a name, as in `hard:split=2`. Found `{name}`.")
    options: dict[str, str] = {}
    # `name:` has an empty item, which is refused: nothing was meant to come after a colon but options.
    for item in rest.split(",") if colon else []:
        key, equals, value = item.partition("=")
        if not (_NAME.match(key) and equals and value):
            raise UsageError(f"The options of `{name}` should read key=value,key=value. Found `{item}`.")
        if key in options:
            raise UsageError(f"`{name}` should be given each option once. Found `{key}` twice.")
        options[key] = value
    return Call(name, options)


def parse_method(text: str) -> MethodText:
    """Read `sharing[+constraint][@weighting]`.

    Raises:
        UsageError: a part is malformed, comes twice, or the constraint follows the weighting.
    """
    if (right := _mend(text)) != text:
        raise UsageError(f"`{text}` should be written `{right}`.")
    left, at, weighting = text.partition("@")
    if at and re.search(r"\+(?=[A-Za-z])", weighting):
        raise UsageError(f"`{text}` should name its constraint before the weighting, as in `soft+l2@uniform`.")
    if at and not weighting:
        raise UsageError(f"`{text}` should name a weighting after the `@`, as in `hard@uncertainty`.")
    # `+` starts a constraint only before a letter: `l2:strength=1e+1` holds a number.
    sharing, *constraints = re.split(r"\+(?=[A-Za-z])", left)
    if len(constraints) > 1 or "@" in weighting:
        raise UsageError(f"`{text}` should hold at most one +constraint and one @weighting.")
    return MethodText(
        parse_call(sharing),
        parse_call(constraints[0]) if constraints else None,
        parse_call(weighting) if at else None,
    )


def parse_seeds(text: str) -> list[int]:
    """Read `0-4`, `3` or `0,2,5-7` into an ascending list of seeds without repeats.

    Raises:
        UsageError: a piece is no number or range, a range runs downwards, or it has 10,000 seeds or more.
    """
    seeds: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,9})(?:-([0-9]{1,9}))?\s*", part)
        if not match:
            raise UsageError(f"Seeds should read like `0-4` or `0,2,7`. Found `{text}`.")
        low, high = int(match[1]), int(match[2] or match[1])
        if high < low:
            raise UsageError(f"Seeds should run upwards, as in `{high}-{low}`. Found `{part}`.")
        # A mistyped range would otherwise plan, and later write, millions of runs.
        if high - low >= 10_000:
            raise UsageError(f"Seeds should be at most 10000 at a time. Found `{part}`.")
        seeds.update(range(low, high + 1))
    return sorted(seeds)
