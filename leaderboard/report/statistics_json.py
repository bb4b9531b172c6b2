"""The statistics of a board as objects of JSON, the key `statistics` of `mtlbench table --format json`."""

import math

from leaderboard.analysis.contrasts import Contrast
from leaderboard.analysis.letters import join_letters
from leaderboard.analysis.standings import DECIDES, Standings
from leaderboard.analysis.statistics import Interval


def write_standings(standings: Standings) -> list[dict[str, object]]:
    """One object for each method, in the shape of `mtlbench table --format json`; a missing number is None."""
    rows: list[dict[str, object]] = []
    for standing in standings.methods.values():
        worst = standing.worst
        rows.append(
            {
                "method": standing.method,
                "rank": finite_or_none(standing.rank.mean),
                "rank_low": standing.rank.low,
                "rank_high": standing.rank.high,
                "could_be_best": standing.could_be_best,
                "tie_groups": join_letters(standing.letters),
                DECIDES: finite_or_none(standing.change.mean),
                "ci_low": standing.change.low,
                "ci_high": standing.change.high,
                "seeds": standing.change.n,
                "p_holm": {name: finite_or_none(each.adjusted) for name, each in standing.comparisons.items()},
                "p_max_t": {name: finite_or_none(p) for name, p in standing.max_t.items()},
                "win_probability": finite_or_none(standing.win),
                "interquartile_mean": finite_or_none(standing.middle),
                "worst_task": worst.task if worst else None,
                "worst_gain": worst.gain.mean if worst else None,
                "worst_low": worst.gain.low if worst else None,
                "worst_high": worst.gain.high if worst else None,
                "contrasts": {kind: _write_contrast(each) for kind, each in standing.contrasts.items()},
            }
        )
    return rows


def _write_contrast(contrast: Contrast) -> dict[str, object]:
    """A planned contrast as an object: what it is against, its verdict, and the numbers behind it."""
    return {
        "against": contrast.other,
        "verdict": contrast.verdict,
        DECIDES: finite_or_none(contrast.estimate.mean),
        "ci_low": contrast.estimate.low,
        "ci_high": contrast.estimate.high,
        "corrected_low": contrast.corrected.low if contrast.corrected else None,
        "corrected_high": contrast.corrected.high if contrast.corrected else None,
        "seeds": contrast.estimate.n,
        "p_different": finite_or_none(contrast.different),
        "p_equivalent": finite_or_none(contrast.equivalent),
        "detectable": finite_or_none(contrast.detectable),
        "family": contrast.family,
    }


def encode_estimate(estimate: Interval) -> dict[str, float | int | None]:
    """An estimate as JSON values; a number that is not finite is null."""
    return {
        "mean": finite_or_none(estimate.mean),
        "low": finite_or_none(estimate.low),
        "high": finite_or_none(estimate.high),
        "seeds": estimate.n,
    }


def finite_or_none(value: float | None) -> float | None:
    """The number; None for NaN and infinities, for which JSON has no number, and where there is none."""
    return value if value is not None and math.isfinite(value) else None
