"""What a gain is made of, as text, Markdown and JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.errors import count_nouns
from leaderboard.analysis.statistics import Interval
from leaderboard.analysis.waterfall import INFORMATION, SHUFFLED, GainPart, Waterfall
from leaderboard.report.escape import markdown
from leaderboard.report.formats import markdown_table
from leaderboard.report.percent import write_change, write_signed_change
from leaderboard.report.statistics_json import encode_estimate
from leaderboard.report.terminal import draw_texts

# What a part is called in a table.
PART_NAMES = {
    "rate": "effective rate",
    "layers": "layers and scale",
    "capacity": "capacity",
    "compute": "compute",
    "restarts": "restarts",
    "noise": "noise",
    "start": "a better start",
    SHUFFLED: "shuffled labels",
    INFORMATION: "information",
}
BAR = 24  # characters of the longest bar
NOTES = (
    "A part is what an explanation gives beyond those above it: conditions without any label of another task, the best "
    "of them chosen on validation. Parts are not unique: in another order they differ, as the last column shows.",
    "Intervals are 95 %, paired by seed, each by itself. Every condition has the same learning rates to choose from.",
    "`shuffled labels` goes from there to the method beside labels that were dealt out anew; `information` from there "
    "to the method itself. Their sum is what the method gives beyond everything that could be had without the others.",
)


@dataclass(frozen=True)
class GainAccount:
    """What was found of one method, suite and main task.

    Attributes:
        suite, method, main: as written.
        seeds: that were asked for.
        waterfall, reverse: the parts with explanations in their order, and in the reverse one; None where no seed has
            the main task alone, the method, and the method beside shuffled labels.
        single: condition -> its own change in log error against the main task alone.
        explanation_of: condition -> the explanation it belongs to; empty for the ends.
        rates: condition -> the learning rate that validation chose; None for the protocol's own.
        left_out: condition that does not fit the suite -> why, in a sentence.
        errors: why runs failed.
    """

    suite: str
    method: str
    main: str
    seeds: int
    waterfall: Waterfall | None
    reverse: Waterfall | None
    single: Mapping[str, Interval]
    explanation_of: Mapping[str, str]
    rates: Mapping[str, float | None]
    left_out: Mapping[str, str]
    errors: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values; a number that is not finite is null."""
        return {
            "suite": self.suite,
            "method": self.method,
            "main": self.main,
            "seeds": self.seeds,
            "total": self.waterfall and encode_estimate(self.waterfall.total),
            "parts": self.waterfall and [_write_part(part) for part in self.waterfall.parts],
            "parts_in_reverse": self.reverse and [_write_part(part) for part in self.reverse.parts],
            "conditions": [
                {
                    "condition": name,
                    "explanation": self.explanation_of[name],
                    "lr": self.rates[name],
                    "change": encode_estimate(change),
                }
                for name, change in self.single.items()
            ],
            "left_out": dict(self.left_out),
            "errors": list(self.errors),
        }

    @property
    def title(self) -> str:
        """What is explained."""
        return f"Why {self.method} changes {self.main} on {self.suite}"

    def write_sentences(self) -> list[str]:
        """The answer: the gain, what of it could be had without the others, and what is left."""
        if self.waterfall is None:
            return [
                "There is no answer yet: no seed has runs that ended well of the main task alone, the method, and "
                "the method beside shuffled labels."
            ]
        *others, _, information = self.waterfall.parts
        names = [PART_NAMES[part.name] for part in others if (part.change.low or 0) > 0]
        without = (
            f"It can be had in part by {' and '.join(names)}. " if names else "No explanation gives a part of it. "
        )
        known = _tell_sign(information.change)
        return [
            f"`{self.method}` has {write_change(self.waterfall.total)} on `{self.main}` than learning it alone "
            f"({count_nouns(self.waterfall.total.n, 'seed')}).",
            f"{without}Against itself beside shuffled labels it has {write_change(information.change)}: {known}.",
        ]

    def _lines(self) -> list[list[str]]:
        """The lines of the waterfall's table."""
        assert self.waterfall
        assert self.reverse
        most = max((abs(part.change.mean) for part in self.waterfall.parts), default=0.0) or 1.0
        reverse = {part.name: part for part in self.reverse.parts}
        lines = [
            [
                PART_NAMES[part.name],
                part.condition,
                write_signed_change(part.change),
                _draw_bar(part.change.mean / most),
                write_signed_change(reverse[part.name].change),
            ]
            for part in self.waterfall.parts
        ]
        return [*lines, ["the whole gain", self.method, write_signed_change(self.waterfall.total), "", ""]]

    def _own_lines(self) -> list[list[str]]:
        """The lines of the table of conditions, each by itself."""
        return [
            [
                name,
                PART_NAMES.get(self.explanation_of[name], ""),
                write_signed_change(change),
                "" if self.rates[name] is None else f"{self.rates[name]:g}",
            ]
            for name, change in self.single.items()
        ]

    def _notes(self) -> list[str]:
        return [
            *(NOTES if self.waterfall else ()),
            *(f"Left out, {name}: {why}" for name, why in self.left_out.items()),
            *(f"A run failed: {error}" for error in self.errors),
        ]


HEAD = ["part", "stands at", "less error %", "", "in reverse"]
OWN_HEAD = ["condition", "explanation", "less error %", "lr"]


def draw_explained(found: GainAccount) -> str:
    """For the terminal."""
    parts = ["\n".join(found.write_sentences()) + "\n"]
    if found.waterfall:
        parts.append(draw_texts(found.title, HEAD, found._lines(), [], ["part", "stands at", ""]))
    own = draw_texts("Each condition by itself", OWN_HEAD, found._own_lines(), found._notes(), OWN_HEAD[:2])
    return "\n".join([*parts, own])


def format_explained(found: GainAccount) -> str:
    """In Markdown."""
    parts = [f"# {markdown(found.title)}\n", "\n".join(found.write_sentences()) + "\n"]
    if found.waterfall:
        parts.append(markdown_table("Parts of the gain", HEAD, found._lines(), []))
    parts.append(markdown_table("Each condition by itself", OWN_HEAD, found._own_lines(), found._notes()))
    return "\n".join(parts)


def _tell_sign(change: Interval) -> str:
    """What the last part says."""
    if change.low is None or change.high is None:
        return "too few seeds to say whether their labels say something"
    if change.low > 0:
        return "the labels of the other tasks say something that helps"
    if change.high < 0:
        return "the labels of the other tasks do harm"
    return "it is not shown that the labels of the other tasks say anything"


def _draw_bar(share: float) -> str:
    """A bar of a share in [-1, 1] of the longest."""
    return ("+" if share > 0 else "-") * round(abs(share) * BAR)


def _write_part(part: GainPart) -> dict[str, Any]:
    return {"part": part.name, "condition": part.condition, "change": encode_estimate(part.change)}
