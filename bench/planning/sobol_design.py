"""A search at equal budget over the points of one Sobol sequence: no two trials alike, several seeds each.

Every method reads the same sequence, so that trial k has the same learning rate, weight decay and trunk rate for every
method as far as they have an effect on it; a dimension without any is left out, and a point that would repeat an
earlier trial of the method is passed over. Options that the method's text sets are kept; those with a search space
that it leaves at their defaults are dimensions of their own.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from bench.catalogue.method import Method
from bench.catalogue.options import Search, options_as_text, write
from bench.catalogue.registry import Choice
from bench.core.constraint import Coupled
from bench.core.sharing import collect_groups, learning_copies
from bench.core.suite import Suite
from bench.errors import UsageError
from bench.planning.plan import parse_suite, plan
from bench.planning.tuning import DECAYS, RATES
from bench.records import Call, RunSpec, Tuning, derive_seed

SHARED = ("lr", "weight_decay", "trunk_lr")  # the first dimensions, the same for every method
DIMENSIONS = 21  # of the sequence, whatever a method uses: its first ones are then the same for all
BLOCK = 64  # points at a time, a power of two, as the balance of the sequence asks for
MOST_BLOCKS = 64  # that are looked through for settings which were not tried yet


def plan_sobol_trials(
    suite_text: str,
    method_text: str,
    count: int,
    seeds: Iterable[int],
    device: str = "auto",
    data_dir: Path | None = None,
    version: int | None = None,
) -> list[list[RunSpec]]:
    """[trial][seed] of the first `count` different trials of one method.

    More trials begin with the same ones. Nothing of them is scored on the test split.

    Args:
        suite_text: the suite as written.
        method_text: the method as written; options that it gives stay as they are.
        count: number of trials, equal for all methods of a comparison.
        seeds: of every trial; none of those that judge the winner.
        device: as in `plan`.
        data_dir, version: as in `plan`.

    Raises:
        UsageError: what the user wrote does not fit, or the method has fewer different settings than `count`.
        DataMissing: the data is not there.
    """
    choice, suite = parse_suite(suite_text, data_dir, version)
    method, seeds = Method.parse(method_text), list(seeds)
    spaces = list_spaces(method, suite)
    trials: dict[tuple[str, ...], list[RunSpec]] = {}
    for point in _read_sequence(choice.canonical):
        if len(trials) == count:
            break
        shared, text = _draw(method, spaces, point)
        key = (text, *shared.values())
        if key in trials:
            continue
        specs = plan(suite_text, [text], seeds, shared, device, data_dir, tested=False, version=version)
        edges = ("lr",) if shared["lr"] in map(write, spaces["lr"].ends) else ()
        place = Tuning(of=method.short, trial=len(trials), stage="trial", edges=edges, design="sobol")
        trials[key] = [spec.vary(tuning=place) for spec in specs]
    if len(trials) < count:
        raise UsageError(
            f"`{method.short}` has {len(trials)} different settings to try. Found {count} trials; ask for "
            f"`--trials {len(trials)}` at most."
        )
    return list(trials.values())


def list_spaces(method: Method, suite: Suite) -> dict[str, Search]:
    """Dimension -> its space, of what has an effect on the method: shared settings, then options as `kind.option`.

    An option is left out where the method's text gives it another value than its default, or where another option
    stands in for it (its value is None).

    Args:
        method: as written.
        suite: whose protocol gives the middle of the learning rates, and whose T tasks the trunk's rates.
    """
    lr, tasks = suite.protocol.lr, len(suite.tasks)
    # Six digits: a product of floats would have a text that nobody can read or write again.
    rates = tuple(float(f"{lr * factor:.6g}") for factor in RATES.choices)
    spaces = {"lr": Search(choices=rates), "weight_decay": DECAYS}
    if has_trunk(method, suite):
        spaces["trunk_lr"] = Search(choices=(1 / tasks, 1.0, float(tasks)))
    for part in method.parts:
        given = options_as_text(part.entry.options, part.values, short=True)
        for name, option in sorted(part.entry.options.items()):
            if option.search and name not in given and part.values[name] is not None:
                spaces[f"{part.entry.kind}.{name}"] = option.search
    return spaces


def has_trunk(method: Method, suite: Suite) -> bool:
    """Whether the factor on the trunk's learning rate has an effect: a parameter that learns is owned by several tasks.

    Separate models have none. A constraint that writes copies as a mean and deviations makes some.
    """
    sharing = method.build_sharing(suite, seed=0)
    groups = collect_groups(sharing, suite.protocol.optimiser)
    if any(p.requires_grad for group in groups if group.role == "trunk" for p in group.parameters):
        return True
    if method.constraint is None:
        return False
    copies = next(iter(learning_copies(sharing).values()))
    return bool(method.constraint.build(Coupled(tuple(copies[0].shape), len(copies), suite.protocol.lr)).offset)


def plan_finalists(trial: RunSpec, seeds: Iterable[int]) -> list[RunSpec]:
    """The runs of a trial on further seeds, scored on validation only: the best trials are judged anew by them.

    Args:
        trial: any of its runs.
        seeds: none of those that chose it as a finalist.
    """
    return [trial.vary(seed=seed) for seed in seeds]


def _read_sequence(suite_text: str) -> Iterator[np.ndarray]:
    """The points of the suite's scrambled Sobol sequence in [0, 1), each (DIMENSIONS,).

    Sobol 1967, On the distribution of points in a cube; scrambled as Owen 1998, in scipy's form.
    """
    from scipy.stats import qmc  # takes long to import, and only a search needs it

    sequence = qmc.Sobol(
        DIMENSIONS, scramble=True, seed=np.random.default_rng(derive_seed("tune", "sobol", suite_text))
    )
    for _ in range(MOST_BLOCKS):
        yield from sequence.random(BLOCK)


def _draw(method: Method, spaces: dict[str, Search], point: np.ndarray) -> tuple[dict[str, str], str]:
    """The settings and the method's text at a point; dimensions that the method has not are passed over."""
    own = [name for name in spaces if name not in SHARED]
    where = {name: at for at, name in enumerate((*SHARED, *own))}
    drawn = {name: write(space.draw(float(point[where[name]]))) for name, space in spaces.items()}

    def write_part(choice: Choice) -> Call:
        """A part with its drawn options beside those that were given."""
        prefix = f"{choice.entry.kind}."
        fresh = {name.removeprefix(prefix): value for name, value in drawn.items() if name.startswith(prefix)}
        return Call(choice.entry.name, choice.written | fresh)

    constraint = f"+{write_part(method.constraint)}" if method.constraint else ""
    text = f"{write_part(method.sharing)}{constraint}@{write_part(method.weighting)}"
    return {name: drawn[name] for name in SHARED if name in drawn}, text
