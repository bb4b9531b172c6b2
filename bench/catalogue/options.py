"""A constructor's signature is the schema of its options.

    def __init__(self, blueprint, *, own: Annotated[float, Interval(ge=0, le=1)] = 0.9): ...

gives one option, `own`, a float in [0, 1] with default 0.9. Lists are `tuple[float, ...]`, written 1/2/3.

Bounds are those of `annotated_types`; marks of this module (`Search`, `Replaces`, `Added`, `Infinite`)
stand beside them in `Annotated`. Every value has exactly one text, since texts are hashed into run ids.
"""

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Interval, Le, Lt
from pydantic import TypeAdapter

from bench.errors import NAMES_IN_SENTENCE, UsageError, hint, quote_nearest


@dataclass(frozen=True)
class Replaces:
    """Marks an option that stands in for another: where it is given, the other becomes None.

    Giving both is refused.
    """

    option: str


@dataclass(frozen=True)
class Added:
    """Marks an option that came after results were stored: where it has its default, texts leave it out.

    Without the mark a new option would rename every run of its method.
    """


@dataclass(frozen=True)
class Search:
    """Marks an option that random search draws: log-uniformly from [low, high], or one of `choices`.

    `at(u)` = low (high / low)^u, so `low` has to be above 0.
    """

    low: float = 1.0
    high: float = 1.0
    choices: tuple[Any, ...] = ()

    def draw(self, u: float) -> Any:
        """The value at the quantile `u` in [0, 1); four significant digits, so that texts stay readable."""
        if self.choices:
            return self.choices[int(u * len(self.choices))]
        return float(f"{self.low * (self.high / self.low) ** u:.4g}")

    @property
    def ends(self) -> tuple[Any, Any]:
        """The first and the last value: where the best is one of them, a better one may lie beyond."""
        return (self.choices[0], self.choices[-1]) if self.choices else (self.low, self.high)


@dataclass(frozen=True)
class Infinite:
    """Marks an option that may be infinite; numbers are finite otherwise, whatever their bounds."""


@dataclass(frozen=True)
class Option:
    """One option: its annotation, its default, and how its values are written.

    parameter: its name in the constructor, with an underscore behind it where Python keeps the name to
        itself, as `lambda_`.
    annotation: of the parameter, with its bounds and marks.
    default: a value, not a text.
    """

    parameter: str
    annotation: Any
    default: Any

    @property
    def name(self) -> str:
        """The name that users write."""
        return self.parameter.rstrip("_")

    @property
    def added(self) -> bool:
        """Whether texts leave it out at its default."""
        return any(isinstance(mark, Added) for mark in _metadata(self.annotation))

    @property
    def infinite(self) -> bool:
        """Whether its values may be infinite."""
        return any(isinstance(mark, Infinite) for mark in _metadata(self.annotation))

    @property
    def ends(self) -> list[Any]:
        """The ends of its range that are values themselves: its closed bounds, and inf where it may be infinite."""
        marks = _metadata(self.annotation)
        bounds = [bound for mark in marks for bound in (mark if isinstance(mark, Interval) else (mark,))]
        closed: list[Any] = [
            bound.ge if isinstance(bound, Ge) else bound.le for bound in bounds if isinstance(bound, Ge | Le)
        ]
        # A bound may be written as a whole number where values are not.
        own = int if self.parses_whole_numbers else float
        return [own(end) for end in closed] + [math.inf] * self.infinite

    @property
    def replaces(self) -> str | None:
        """The option that this one stands in for, if any."""
        return next((m.option for m in _metadata(self.annotation) if isinstance(m, Replaces)), None)

    @property
    def search(self) -> Search | None:
        """Where random search draws it from, if it does."""
        return next((mark for mark in _metadata(self.annotation) if isinstance(mark, Search)), None)

    @property
    def choices(self) -> list[Any]:
        """The values that it names one by one, in their order; empty where it names none."""
        return _choices(_members(_strip_marks(self.annotation)))

    @property
    def parses_whole_numbers(self) -> bool:
        """Whether its values are whole numbers."""
        return int in _members(_strip_marks(self.annotation))

    def parse(self, owner: str, text: str) -> Any:
        """The value written as `text`.

        owner: whose option it is, for the sentence.

        Raises:
            UsageError: the text is of another type, out of bounds, NaN, or infinite where that is not allowed.
        """
        members = _members(_strip_marks(self.annotation))
        choices = {str(choice): choice for choice in _choices(members)}
        value: Any = choices.get(text, text)
        if text == "none" and type(None) in members and text not in choices:
            value = None
        elif any(get_origin(member) is tuple for member in members):
            value = text.split("/")
        try:
            return _normalise(TypeAdapter(self.annotation).validate_python(value), self.infinite)
        except ValueError:  # pydantic's own, and NaN, which passes where there is no bound
            expected, near = self.describe_expectation(), ""
            if len(choices) > NAMES_IN_SENTENCE:
                expected, near = f"be one of its {len(choices)} choices", f"; {hint(text, choices)}"
            raise UsageError(
                f"`{self.name}` of `{owner}` should {expected}. Found `{self.name} = {text}`{near}."
            ) from None

    def describe_expectation(self) -> str:
        """What a value should do, as the end of a sentence: `be a number in [0, 1]`."""
        members = _members(_strip_marks(self.annotation))
        if choices := _choices(members):
            return "be " + " or ".join(f"`{choice}`" for choice in choices)
        if lists := [member for member in members if get_origin(member) is tuple]:
            item = Option(self.name, get_args(lists[0])[0], None).describe_expectation().removeprefix("be ")
            return f"be a list like 0.5/0.5, each {item}"
        low, high = "(-inf", "inf]" if self.infinite else "inf)"
        for mark in _metadata(self.annotation):
            for bound in mark if isinstance(mark, Interval) else (mark,):
                match bound:
                    case Ge(ge=value):
                        low = f"[{value}"
                    case Gt(gt=value):
                        low = f"({value}"
                    case Le(le=value):
                        high = f"{value}]"
                    case Lt(lt=value):
                        high = f"{value})"
        number = "a number" if self.infinite or (low, high) != ("(-inf", "inf)") else "a finite number"
        names = {
            float: number,
            int: "a whole number",
            bool: "`true` or `false`",
            str: "text",
        }
        noun = next((names[member] for member in members if member in names), "a value")
        bounded = (low, high) != ("(-inf", "inf)")
        return f"be {noun} in {low}, {high}" if bounded else f"be {noun}"


def _metadata(annotation: Any) -> tuple[Any, ...]:
    """Bounds and marks of an annotation; empty where it has none."""
    return annotation.__metadata__ if get_origin(annotation) is Annotated else ()


def _strip_marks(annotation: Any) -> Any:
    """An annotation without its bounds and marks."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _members(kind: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation itself as the only one."""
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _choices(members: tuple[Any, ...]) -> list[Any]:
    """The values of all `Literal` members, in their order."""
    return [choice for member in members if get_origin(member) is Literal for choice in get_args(member)]


def _normalise(value: Any, infinite: bool) -> Any:
    """`value` with -0.0 written as 0.0, so that one value has one text. Raises ValueError for NaN and infinity."""
    if isinstance(value, tuple):
        return tuple(_normalise(item, infinite) for item in value)
    if isinstance(value, float):
        if math.isnan(value) or (math.isinf(value) and not infinite):
            raise ValueError("not a finite number")
        return value + 0.0  # -0.0 + 0.0 is 0.0
    return value


def write(value: Any) -> str:
    """A value as text: floats by repr, `true`/`false`, `none`, lists joined by '/'. `Option.parse` reads it back."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return "/".join(write(item) for item in value)
    return repr(value) if isinstance(value, float) else str(value)


def read_options(constructor: type, owner: str = "") -> dict[str, Option]:
    """name -> option, from the keyword-only parameters of a class's constructor.

    owner: what users call the class, for sentences; by default its own name.

    Raises:
        TypeError: a parameter has no default, or no annotation that a text can be read as (`SUPPORTED`).
    """
    owner = owner or constructor.__name__
    init: Any = constructor.__init__  # type: ignore[misc]
    given = [p for p in inspect.signature(init).parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
    try:
        hints = get_type_hints(init, include_extras=True) if given else {}
    except NameError as error:
        raise TypeError(
            f"Annotations of `{owner}` should be names that its module imports. Found `{error.name}`, which is none."
        ) from error
    for parameter in given:
        if parameter.default is parameter.empty:
            raise TypeError(f"Every option of `{owner}` should have a default. Found none for `{parameter.name}`.")
        # Both forms: `hints` has aliases resolved, the annotation is as its author wrote it.
        kind, written = hints.get(parameter.name), parameter.annotation
        if kind is None or not _is_readable(_strip_marks(kind)):
            name = str(written) if get_origin(written) else getattr(written, "__name__", written)
            annotation = "none" if written is parameter.empty else f"`{name}`"
            raise TypeError(
                f"The option `{parameter.name}` of `{owner}` should be annotated as {SUPPORTED}. Found {annotation}."
            )
    return {p.name.rstrip("_"): Option(p.name, hints[p.name], p.default) for p in given}


SUPPORTED = "`float`, `int`, `bool`, `str`, a `Literal`, a list as `tuple[float, ...]`, or one of these or `None`"


def _is_readable(kind: Any) -> bool:
    """Whether values of an annotation can be written as text and read back."""
    members = [member for member in map(_strip_marks, _members(kind)) if member is not type(None)]
    return bool(members) and all(
        member in (float, int, bool, str)
        or get_origin(member) is Literal
        or (
            get_origin(member) is tuple
            and all(item is ... or _is_readable(_strip_marks(item)) for item in get_args(member))
        )
        for member in members
    )


def fill_defaults(owner: str, options: Mapping[str, Option], given: Mapping[str, str]) -> dict[str, Any]:
    """name -> value of every option: what was given is parsed, the others have their defaults.

    Args:
        owner: whose options they are, for sentences.
        options: all that it has.
        given: name -> text, as written.

    Raises:
        UsageError: an unknown key, with the nearest ones; a value that does not fit; or an option
            together with the one that it replaces.
    """
    for key in given:
        if key not in options:
            if not options:
                raise UsageError(f"`{owner}` has no options. Found `{key}`.")
            raise UsageError(f"`{owner}` has no option `{key}`; the nearest it has: {quote_nearest(key, options)}.")
    values = {name: option.default for name, option in options.items()}
    for key, text in given.items():
        values[key] = options[key].parse(owner, text)
        other = options[key].replaces
        if other and values[key] is not None:
            if given.get(other, "none") != "none":
                raise UsageError(f"`{owner}` should be given `{key}` or `{other}`. Found both.")
            values[other] = None
    return values


def options_as_text(options: Mapping[str, Option], values: Mapping[str, Any], short: bool = False) -> dict[str, str]:
    """Name -> text of every value.

    Args:
        options: all that the part has.
        values: name -> value, for each of them.
        short: leave out what equals its default, and what another option implies, as tables do.
    """
    implied = {o.replaces for o in options.values() if o.replaces and values[o.name] is not None}
    return {
        name: write(value)
        for name, value in values.items()
        if (value != options[name].default and name not in implied) or not (short or options[name].added)
    }
