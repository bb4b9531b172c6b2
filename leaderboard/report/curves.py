"""Curves over a setting as text and as JSON: errors at each value, the one that validation chooses, and what to try."""

import math
from collections.abc import Sequence
from typing import Any

from bench.records.values import write_setting
from leaderboard.analysis.curves import CurvePoint, CurveSummary
from leaderboard.analysis.statistics import Interval
from leaderboard.boards.curves import explain_edges, write_value
from leaderboard.report.footnotes import Note
from leaderboard.report.formats import MISSING, markdown_table, write_note
from leaderboard.report.terminal import draw_texts

NOTE = (
    "error: geometric mean over tasks and seeds [95 % t interval of its logarithm over seeds]; the value is chosen by "
    "the error on validation alone, over the seeds that all values share."
)


def write_curves(curves: Sequence[CurveSummary], format: str = "text") -> str:
    """Curves over settings as `text` or `md`, a line per method and value; empty where there are none.

    Below them a sentence for each curve whose chosen value lies at an edge, with the values to try next.
    """
    blocks: dict[tuple[str, str, str], list[CurveSummary]] = {}
    for each in curves:
        settings = " ".join(f"{key}={value}" for key, value in each.curve.settings)
        blocks.setdefault((each.curve.suite, each.curve.setting, settings), []).append(each)
    texts = []
    for (suite, setting, settings), members in blocks.items():
        title = f"{suite}: errors over {setting}{f' ({settings})' if settings else ''}"
        head = ["method", setting, "validation error ↓", "test error ↓", "seeds", ""]
        lines = [_line(each, point) for each in members for point in each.points]
        notes = [NOTE, *_explain(members)]
        if format == "md":
            texts.append(markdown_table(title, head, lines, [write_note(Note(note)) for note in notes]))
        else:
            texts.append(draw_texts(title, head, lines, notes, left=("method", "")))
    return "\n".join(texts)


def curve_as_json(each: CurveSummary) -> dict[str, Any]:
    """A curve as `--json` prints it; numbers that do not exist are null.

    `chosen` is the value that validation chooses, `edges` the ends of the values that it lies at, `next` the values
    beyond them.
    """
    curve = each.curve
    return {
        "suite": curve.suite,
        "method": curve.method,
        "setting": curve.setting,
        "settings": dict(curve.settings),
        "seeds": list(curve.seeds),
        "points": [
            {
                "value": point.value,
                "validation": interval_as_json(point.validation),
                "test": interval_as_json(point.test),
                "seeds": point.seeds,
                "failed": point.failed,
            }
            for point in each.points
        ],
        "chosen": curve.chosen,
        "edges": list(curve.edges),
        "next": list(curve.next_values),
    }


def _line(each: CurveSummary, point: CurvePoint) -> list[str]:
    """The cells of one value."""
    failed = f"{point.failed} failed" if point.failed else ""
    return [
        each.curve.method,
        write_setting(each.curve.setting, point.value),
        write_error(point.validation),
        write_error(point.test),
        str(point.seeds),
        "chosen" if point is each.chosen and len(each.points) > 1 else failed,
    ]


def _explain(members: Sequence[CurveSummary]) -> list[str]:
    """Sentences about edges, about values that were the only one, and methods of which nothing could be chosen."""
    sentences = explain_edges(each.curve for each in members)
    for value in dict.fromkeys(
        write_value(each.curve, *each.curve.points) for each in members if len(each.points) == 1
    ):
        sentences.append(f"Nothing is chosen from one value, {value}; `--over` takes several.")
    for each in members:
        if each.curve.chosen is None:
            why = "every value has a failed run" if each.curve.seeds else "no seed was run at every value"
            sentences.append(f"Nothing is chosen for `{each.curve.method}`: {why}.")
    return sentences


def write_error(estimate: Interval) -> str:
    """`0.1234 [0.1200, 0.1268]`, without ends where there is no interval."""
    if math.isnan(estimate.mean):
        return MISSING
    ends = "" if estimate.low is None else f" [{estimate.low:.4g}, {estimate.high:.4g}]"
    return f"{estimate.mean:.4g}{ends}"


def interval_as_json(estimate: Interval) -> dict[str, float | None]:
    """An estimate and its interval, null for what there is none of."""
    mean = None if math.isnan(estimate.mean) else estimate.mean
    return {"mean": mean, "ci_low": estimate.low, "ci_high": estimate.high}
