"""The page of a run: its scores, curves and costs, what it learned, and everything needed to make it again.

Every record has one, failed runs and trials included. Most of a site's files are such pages, so what many runs have in
common, as the list of a protocol, is made once (`Context.configuration`).
"""

import math
from collections.abc import Callable
from typing import Any

from bench.records import ResultRecord
from bench.scores import Metric, list_metrics
from leaderboard.report.escape import printable
from leaderboard.report.footnotes import RULES
from leaderboard.report.formats import MISSING
from leaderboard.site.commands import run_command
from leaderboard.site.context import Context
from leaderboard.site.figures import (
    plot_choice,
    plot_cosines,
    plot_curves,
    plot_matrices,
    plot_probes,
    plot_recovered,
    plot_sharing,
    write_cosines,
)
from leaderboard.site.grids import kind_of
from leaderboard.site.shown import owner

# Times of a record are left out: they were taken beside whatever else ran there, and would read as a measurement.
COSTS: dict[str, tuple[str, Callable[[Any], str]]] = {  # names and texts for people
    "parameters": ("trained parameters", lambda value: f"{value:,}"),
    "forward_flops": ("FLOPs per forward pass", lambda value: f"{value:,}"),
    "peak_memory_mb": ("peak memory", lambda value: f"{value:,.0f} MB"),
    "hardware": ("hardware", str),
}


def render_run_page(site: Context, run: ResultRecord) -> bytes:
    """Render the page of a run, finished or failed; parts that the record does not have are left out.

    Args:
        site: the site, for addresses, states of verification and pictures.
        run: the record; its texts may be anybody's.
    """
    known = site.checks.get(run.digest)
    cosines = write_cosines([run])
    figures = [plot_curves(run), plot_choice(run), plot_matrices([run], "matrices")]
    figures += [*plot_recovered({run.method: run}, "recovered"), plot_sharing([run], "sharing")]
    figures += plot_probes([run], "probes")
    # Up to three tasks have their cosines in a sentence.
    figures.append(None if cosines else plot_cosines({run.method: [run]}, "cosines"))
    rules = [rule for rule in RULES if rule in run.scores]
    state = site.state(run)
    provenance = [("run", run.run_id), ("digest", run.digest), ("created", run.created), ("data", run.spec.data)]
    # Checksums: whoever doubts a run can compare them with the file at hand.
    provenance += [(f"source of {part}", source) for part, source in sorted(run.spec.code.items())]
    if state:
        provenance.append(("checked", f"{state}: {known.how} by {known.by}" if known else state))
    return site.page(
        "run.html",
        "../",
        run=run,
        method=printable(run.method),
        suite=printable(run.suite),
        kind=kind_of(run),
        method_href=site.addresses.method(owner(run), run.suite),
        record_href=site.addresses.record(run),
        suite_href=site.addresses.suite(run.suite) if run.suite in site.suites else "",
        command=run_command(run, site.plugin(run)),
        state=state,
        rules=rules,
        scores=[row for task in run.tasks for row in _format_scores(run, task, rules)],
        epochs=[
            # A solver has no epochs.
            (rule, [(printable(task), kept[task]) for task in run.tasks if task in kept])
            for rule in ([] if run.solution else rules)
            for kept in [run.selection.get(rule, {})]
        ],
        solution=_format_solution(run),
        validation=_format_pairs({task: f"{error:.5g}" for task, error in run.validation.items()}),
        cost=_format_costs(run),
        labels=_format_labels(run),
        environment=_format_pairs(run.environment),
        versions=_format_pairs(run.spec.versions),
        data=_format_pairs(run.data),
        overrides=[(printable(key), printable(str(value))) for key, value in sorted(run.spec.overrides.items())],
        configuration=site.configuration(run.spec.protocol.model_dump_json()),
        cosines=tuple(cosines),
        provenance=_format_pairs(dict(provenance), sort=False),
        pairs=site.pairs,
        figures=[figure for figure in figures if figure],
        pictures=[(panel.href, panel.tiles(run.tasks)) for panel in site.pictures.get(run.run_id, [])],
    )


def _format_scores(run: ResultRecord, task: str, rules: list[str]) -> list[tuple[str, str, list[str]]]:
    """Rows of the table of scores of one task.

    Percentages have three decimals; other metrics as many as give five significant digits to the largest value, eight
    at most. A metric that the project does not know is taken as higher is better.

    Args:
        run: the record, whose scores are rule -> task -> metric -> value.
        task: one of its tasks.
        rules: selection rules, the columns of the table.

    Returns:
        One (task, metric with unit and direction, [rule] of texts) for each metric.
    """
    names = dict.fromkeys(name for rule in rules for name in run.scores[rule].get(task, {}))
    rows, known = [], list_metrics(run.spec.protocol.metrics.get(task, ""))
    for name in names:
        metric = known.get(name, Metric(name, True))
        # None under a rule without a score of this metric.
        values = [run.scores[rule].get(task, {}).get(name) for rule in rules]
        head = " ".join(part for part in (name, metric.unit, "↑" if metric.higher_is_better else "↓") if part)
        largest = max((abs(value) for value in values if value), default=1.0)
        # One number of decimals for all rules, so that the columns can be compared at a glance.
        decimals = 3 if metric.unit == "%" else min(8, max(0, 4 - math.floor(math.log10(largest))))
        texts = [MISSING if value is None else f"{value:.{decimals}f}" for value in values]
        rows.append((printable(task), printable(head), texts))
    return rows


def _format_solution(run: ResultRecord) -> tuple[tuple[str, str], ...]:
    """What a solver did, as (name, text): first what cross-validation chose, then what the solver proves about its end.

    Empty for runs of descent, which have no certificate. Settings that were not chosen are left out.
    """
    solution = run.solution
    if solution is None:
        return ()
    chosen = {"strength": None if solution.strength is None else f"{solution.strength:.6g}", **solution.settings}
    proof = {
        f"relative {solution.certificate}": f"{solution.value:.2g}, {_judge_certificate(run, solution.met)}",
        "objective": f"{solution.objective:.9g}",
        "iterations": f"{solution.iterations:,}",
    }
    return _format_pairs({name: value for name, value in (chosen | proof).items() if value is not None}, sort=False)


def _judge_certificate(run: ResultRecord, met: bool) -> str:
    """Whether a certificate meets its bound, in words.

    The gradient of a likelihood is held against the method's own tolerance, any other certificate, as a duality gap,
    against that of the protocol.
    """
    own = run.solution is not None and run.solution.certificate == "gradient"
    bound = "the tolerance of the method" if own else f"{run.spec.protocol.tolerance:g}"
    return f"within {bound}" if met else f"not within {bound}: not certified"


def _format_labels(run: ResultRecord) -> tuple[tuple[str, str], ...]:
    """Pairs of a split and task, and how many rows have a label; empty where no label is missing."""
    counts = {f"{split}, {task}": f"{n}" for split, own in run.labels.items() for task, n in own.items()}
    return _format_pairs(counts, sort=False)


def _format_costs(run: ResultRecord) -> tuple[tuple[str, str], ...]:
    """What a run took, as (name, text) for people; empty where it was not measured."""
    if run.cost is None:
        return ()
    costs = [
        (name, printable(str(text(value)))) for key, value in run.cost if key in COSTS for name, text in [COSTS[key]]
    ]
    return tuple(costs)


def _format_pairs(items: dict[str, Any], *, sort: bool = True) -> tuple[tuple[str, str], ...]:
    """Pairs of a name and a text, both printable; in alphabetical order unless `sort` is False."""
    pairs = sorted(items.items()) if sort else items.items()
    return tuple((printable(name), printable(str(value))) for name, value in pairs)
