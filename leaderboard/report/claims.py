"""Claims with their verdicts, as a table in Markdown and as lines in the terminal."""

from collections.abc import Mapping, Sequence

from bench.errors import count_nouns
from leaderboard.claims import Claim, ClaimList, Gain, JudgedClaim
from leaderboard.report.escape import code_parts, markdown, markdown_code
from leaderboard.report.formats import MISSING
from leaderboard.report.percent import write_signed_change


def tabulate_claims(claims: ClaimList, judged: Sequence[JudgedClaim]) -> str:
    """Every claim in its order, with what was run, the gain, and the verdict; then how to read it."""
    lines = [["claim", "runs", "gain [95 %]", "seeds", "verdict"], [":--", ":--", "--:", "--:", ":--"]]
    for each in judged:
        claim = each.claim
        name = f"**{markdown(claim.name)}**" + (f" ({markdown(claim.section)})" if claim.section else "")
        estimate = each.estimate
        seeds = str(estimate.n) if estimate else ""
        compared = mark_comparison(claim)
        lines.append([f"{name}: {markdown(claim.text)}", compared, write_gain(each), seeds, word_verdict(each)])
    run = [each for each in judged if each.verdict != "not run"]
    held = sum(each.verdict == "as stated" for each in run)
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    if not run:
        return f"{table}\nNone of these was run yet. From {markdown(claims.source)}.\n"
    were = "was" if len(run) == 1 else "were"
    metric = any(each.claim.metric for each in judged)
    told = "Of a metric that is named they are less distance from its best value. " if metric else ""
    return (
        f"{table}\n{held} of {count_nouns(len(run), 'claim')} that {were} run came out as stated. Gains are per cent "
        "less error on the task that is named, each task at its own best epoch; of the use of inputs, by how much more "
        "the loss rises where the first block is dealt out anew than where the second is. "
        f"{told}Intervals are 95 %, paired "
        f"by seed, each by itself; verdicts are corrected over all {len(run)} (Holm), so that `not shown` may stand "
        f"beside an interval without 0. From {markdown(claims.source)}.\n"
    )


def draw_claims(claims: ClaimList, judged: Sequence[JudgedClaim]) -> str:
    """The claims for the terminal, a line each: name, gain, seeds and verdict; ends with a newline."""
    from leaderboard.report.terminal import draw_texts  # rich, which pages do without

    lines = [
        [each.claim.name, write_gain(each) or MISSING, str(each.estimate.n if each.estimate else 0), word_verdict(each)]
        for each in judged
    ]
    run = [each for each in judged if each.verdict != "not run"]
    held = sum(each.verdict == "as stated" for each in run)
    notes = [
        f"{held} of {count_nouns(len(run), 'claim')} came out as stated.",
        f"gain: per cent less error, 95 %, paired by seed; verdicts are corrected over all {len(run)} (Holm).",
    ]
    return draw_texts(claims.title, ["claim", "gain", "seeds", "verdict"], lines, notes, ["claim", "verdict"])


def mark_comparison(claim: Claim) -> str:
    """`describe_comparison` in Markdown."""
    parts = enumerate(code_parts(describe_comparison(claim)))
    return "".join(markdown_code(part) if number % 2 else markdown(part) for number, part in parts)


def describe_comparison(claim: Claim) -> str:
    """What is compared, on which task of which suite; names in backticks."""
    told = f"{_write_place(claim)}: {_write_compared(claim)}"
    if claim.beyond:
        told += f"; less {_write_beyond(claim, claim.beyond)}"
    return told


def _write_place(gain: Gain) -> str:
    """The suite, the task, and a metric that is named; where uses of inputs are compared, of which blocks."""
    task = f"`{gain.task}`" if gain.task else "all tasks"
    if gain.metric:
        task += f", {gain.metric.replace('_', ' ')}"
    if gain.blocks:
        task = f"use of {' over '.join(gain.blocks)} by {task}"
    return f"`{gain.suite}`, {task}"


def _write_compared(gain: Gain) -> str:
    """The methods."""
    told = _write_method(gain.method, gain.settings)
    if gain.against:
        told += f" against {_write_method(gain.against, gain.against_settings)}"
    if gain.against_suite:
        told += f" on `{gain.against_suite}`"
    return told


def _write_beyond(gain: Gain, other: Gain) -> str:
    """The gain that is subtracted: in full, but for what it has in common with the first."""
    compared = "the same" if _write_compared(other) == _write_compared(gain) else _write_compared(other)
    if (other.suite, other.task, other.metric, other.blocks) == (gain.suite, gain.task, gain.metric, gain.blocks):
        return compared
    return f"{compared} on {f'`{other.task}`' if other.task and other.suite == gain.suite else _write_place(other)}"


def write_gain(each: JudgedClaim) -> str:
    """Per cent less error, or a difference of uses, with its interval."""
    estimate = each.estimate
    if estimate is None:
        return ""
    if not each.claim.blocks:
        return write_signed_change(estimate)
    ends = "" if estimate.low is None or estimate.high is None else f" [{estimate.low:+.3f}, {estimate.high:+.3f}]"
    return f"{estimate.mean:+.3f}{ends}"


def word_verdict(each: JudgedClaim) -> str:
    """The verdict, and what was expected where it is not the usual."""
    expected = each.claim.expected
    return each.verdict if expected == "more" else f"{each.verdict} (expected: {expected})"


def _write_method(method: str, settings: Mapping[str, str]) -> str:
    changed = ", ".join(f"{key}={value}" for key, value in sorted(settings.items()))
    return f"`{method}`" + (f" (`{changed}`)" if changed else "")
