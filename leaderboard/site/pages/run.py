"""One run: its scores, curves and costs, what it learned, and everything needed to make it again."""

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
    choice_figure,
    cosine_figure,
    cosine_words,
    curve_figure,
    matrix_figure,
    recovered_figures,
    sharing_figure,
)
from leaderboard.site.grids import kind_of
from leaderboard.site.shown import owner

COSTS: dict[str, tuple[str, Callable[[Any], str]]] = {  # names and texts for people
    "parameters": ("trained parameters", lambda value: f"{value:,}"),
    "forward_flops": ("operations of a forward", lambda value: f"{value:,}"),
    "step_ms": ("one update", lambda value: f"{value:.3g} ms"),
    "train_seconds": ("all updates", lambda value: f"{value:,.1f} s"),
    "peak_memory_mb": ("peak memory", lambda value: f"{value:,.0f} MB"),
    "hardware": ("hardware", str),
}


def run_page(site: Context, run: ResultRecord) -> bytes:
    """The page of a run, finished or failed."""
    known = site.checks.get(run.digest)
    cosines = cosine_words([run])
    figures = [curve_figure(run), choice_figure(run), matrix_figure([run], "matrices")]
    figures += [*recovered_figures({run.method: run}, "recovered"), sharing_figure([run], "sharing")]
    figures.append(None if cosines else cosine_figure({run.method: [run]}, "cosines"))
    rules = [rule for rule in RULES if rule in run.scores]
    state = site.state(run)
    provenance = [("run", run.run_id), ("digest", run.digest), ("created", run.created), ("data", run.spec.data)]
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
        suite_href=site.addresses.suite(run.suite) if run.suite in site.suites else "",
        command=run_command(run, site.plugin(run)),
        state=state,
        rules=rules,
        scores=[row for task in run.tasks for row in _scores(run, task, rules)],
        epochs=[
            (rule, [(printable(task), kept[task]) for task in run.tasks if task in kept])
            for rule in ([] if run.solution else rules)
            for kept in [run.selection.get(rule, {})]
        ],
        solution=_solution(run),
        validation=_texts({task: f"{error:.5g}" for task, error in run.validation.items()}),
        cost=_costs(run),
        environment=_texts(run.environment),
        versions=_texts(run.spec.versions),
        data=_texts(run.data),
        overrides=[(printable(key), printable(str(value))) for key, value in sorted(run.spec.overrides.items())],
        configuration=site.configuration(run.spec.protocol.model_dump_json()),
        cosines=tuple(cosines),
        provenance=_texts(dict(provenance), sort=False),
        pairs=site.pairs,
        figures=[figure for figure in figures if figure],
        pictures=[(panel.href, panel.tiles(run.tasks)) for panel in site.pictures.get(run.run_id, [])],
    )


def _scores(run: ResultRecord, task: str, rules: list[str]) -> list[tuple[str, str, list[str]]]:
    """(task, metric with unit and direction, its value under every rule)."""
    names = dict.fromkeys(name for rule in rules for name in run.scores[rule].get(task, {}))
    found, known = [], list_metrics(run.spec.protocol.metrics.get(task, ""))
    for name in names:
        metric = known.get(name, Metric(name, True))
        values = [run.scores[rule].get(task, {}).get(name) for rule in rules]
        head = " ".join(part for part in (name, metric.unit, "↑" if metric.higher_is_better else "↓") if part)
        largest = max((abs(value) for value in values if value), default=1.0)
        decimals = 3 if metric.unit == "%" else min(8, max(0, 4 - math.floor(math.log10(largest))))
        texts = [MISSING if value is None else f"{value:.{decimals}f}" for value in values]
        found.append((printable(task), printable(head), texts))
    return found


def _solution(run: ResultRecord) -> tuple[tuple[str, str], ...]:
    """What cross-validation chose, and what the solver proves about the end."""
    found = run.solution
    if found is None:
        return ()
    chosen = {"strength": None if found.strength is None else f"{found.strength:.6g}", **found.settings}
    proof = {
        f"relative {found.certificate}": f"{found.value:.2g}, {_judge_certificate(run, found.met)}",
        "objective": f"{found.objective:.9g}",
        "iterations": f"{found.iterations:,}",
    }
    return _texts({name: value for name, value in (chosen | proof).items() if value is not None}, sort=False)


def _judge_certificate(run: ResultRecord, met: bool) -> str:
    """Whether a certificate is good enough; what a likelihood's gradient is held against is the method's own."""
    own = run.solution is not None and run.solution.certificate == "gradient"
    bound = "the tolerance of the method" if own else f"{run.spec.protocol.tolerance:g}"
    return f"within {bound}" if met else f"not within {bound}: not certified"


def _costs(run: ResultRecord) -> tuple[tuple[str, str], ...]:
    """What a run took, as people read it; nothing where it was not measured."""
    if run.cost is None:
        return ()
    found = [(name, printable(str(text(value)))) for key, value in run.cost for name, text in [COSTS[key]]]
    return tuple(found)


def _texts(items: dict[str, Any], *, sort: bool = True) -> tuple[tuple[str, str], ...]:
    """Pairs of a name and a text, printable."""
    pairs = sorted(items.items()) if sort else items.items()
    return tuple((printable(name), printable(str(value))) for name, value in pairs)
