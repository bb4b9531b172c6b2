"""Values of an option or a setting as `--over` takes them, and the grid of a setting that a curve is drawn over."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Annotated, Literal

from pydantic import TypeAdapter, ValidationError

from bench.errors import UsageError, hint
from bench.records.protocol import Protocol, find_use

GridEnd = Literal["low", "high"]

FEWEST_VALUES = 3  # that make a curve: of two, each lies at an edge
FACTOR = 2.0  # from one value to the next where neighbours do not say


def parse_values(text: str, whole: bool = False) -> Iterator[str]:
    """Yield the values that --over names, in order, each once.

    `0/1..100:3` gives 0, 1.0, 10.0 and 100.0: a range has equal ratios, a (b / a)^(k / (n - 1)), rounded to four
    digits.

    Args:
        text: What stands behind `=`.
        whole: Whether the option takes whole numbers, to which values of a range are rounded.

    Raises:
        UsageError: A range has an end that is not positive, or fewer than two values.
    """
    seen = set()
    for item in text.split("/"):
        low, dots, rest = item.partition("..")
        if not dots:
            each = [item]
        else:
            high, colon, count = rest.partition(":")
            try:
                a, b, n = float(low), float(high), int(count) if colon else 0
            except ValueError:
                a = b = n = 0
            if not (0 < a < math.inf and 0 < b < math.inf and n >= 2):
                raise UsageError(
                    f"A range should read LOW..HIGH:COUNT with positive ends and two values or more. Found `{item}`."
                )
            # Four digits keep names of runs short; equal ratios suit options on a logarithmic scale.
            steps = [float(f"{a * (b / a) ** (k / (n - 1)):.4g}") for k in range(n)]
            each = [str(round(step)) if whole else repr(step) for step in steps]
        for value in each:
            if value not in seen:
                seen.add(value)
                yield value


@dataclass(frozen=True)
class SettingGrid:
    """Values of one numeric setting of the protocol, ascending and each once: what a curve is drawn over.

    setting: name of the setting, as `--set` takes it.
    values: in the unit of the setting.
    """

    setting: str
    values: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> "SettingGrid":
        """Read `lr=0.0005..0.02:6` or `epochs=10/20/40`, in the grammar of `parse_values`.

        Whether the protocol of a suite takes the values is checked where runs are planned. Grids that were read are
        kept: boards ask for theirs at every record.

        Raises:
            UsageError: The text has another form, the setting is none of the protocol or no number, or a value is no
                finite number.
        """
        return _parse_grid(text)

    @property
    def texts(self) -> list[str]:
        """The values as `--set` takes them."""
        return [write_setting(self.setting, value) for value in self.values]

    def find_ends(self, value: float | None) -> tuple[GridEnd, ...]:
        """At which end of the values one of them lies; both where it is alone."""
        ends: tuple[tuple[GridEnd, float], ...] = (
            (("low", self.values[0]), ("high", self.values[-1])) if self.values else ()
        )
        return tuple(end for end, last in ends if last == value)

    def next_value(self, end: GridEnd) -> float | None:
        """The value one step beyond an end, in the ratio of the two values there, rounded to four digits.

        None where there is no such step: below zero, beyond what the protocol takes, and between whole numbers that are
        neighbours already.
        """
        last = self.values[0] if end == "low" else self.values[-1]
        beside = self.values[1:2] if end == "low" else self.values[-2:-1]
        # Neither zero nor one value alone has a ratio.
        ratio = last / beside[0] if beside and last > 0 and beside[0] > 0 else 0.0
        if not 0 < ratio < math.inf:
            ratio = 1 / FACTOR if end == "low" else FACTOR
        step = float(f"{last * ratio:.4g}")
        step = float(round(step)) if is_whole(self.setting) else step
        beyond = 0 < step < last if end == "low" else step > last
        return step if beyond and math.isfinite(step) and is_allowed(self.setting, step) else None

    def extend(self, *values: float) -> "SettingGrid":
        """The grid with further `values`."""
        return SettingGrid(self.setting, tuple(sorted({*self.values, *values})))


@lru_cache(maxsize=1000)
def _parse_grid(text: str) -> SettingGrid:
    """The grid that `SettingGrid.parse` reads, with its errors."""
    name, equals, rest = text.partition("=")
    if not (name and equals and rest):
        raise UsageError(f"--over should read setting=values, as in `lr=0.0005..0.02:6`. Found `{text}`.")
    numeric = list_numeric_settings()
    if name not in numeric:
        raise UsageError(f"The protocol has no setting `{name}` that is a number; {hint(name, numeric)}.")
    numbers = set()
    for value in parse_values(rest, whole=is_whole(name)):
        try:
            number = float(int(value) if is_whole(name) else value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            kind = "whole numbers" if is_whole(name) else "finite numbers"
            raise UsageError(f"Values of `{name}` should be {kind}. Found `{value}`.")
        numbers.add(number)
    return SettingGrid(name, tuple(sorted(numbers)))


def list_numeric_settings() -> list[str]:
    """The settings of the protocol that `--set` may change and that are one number, by name."""
    return list(_find_numeric_settings())


@cache
def _find_numeric_settings() -> tuple[str, ...]:
    """What `list_numeric_settings` lists: the fields of the protocol do not change."""
    fields = Protocol.model_fields.items()
    return tuple(
        sorted(name for name, field in fields if field.annotation in (int, float) and not find_use(name).fixed)
    )


def is_whole(setting: str) -> bool:
    """Whether a numeric setting of the protocol takes whole numbers only."""
    return Protocol.model_fields[setting].annotation is int


def is_allowed(setting: str, value: float) -> bool:
    """Whether a numeric setting of the protocol may have a value by itself, as shares at most 1."""
    field = Protocol.model_fields[setting]
    adapter: TypeAdapter[float] = TypeAdapter(Annotated[field.annotation, *field.metadata])  # type: ignore[arg-type]
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


def write_setting(setting: str, value: float) -> str:
    """A value of a numeric setting as `--set` takes it: `20` epochs, a rate of `0.005`."""
    return str(round(value)) if is_whole(setting) else repr(float(value))
