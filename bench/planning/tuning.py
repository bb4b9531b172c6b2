"""Random search at equal budget: what a trial is, and the runs it asks for; `sobol_design` has a better one.

Every method draws the same number of trials. What all methods have (learning rate, weight decay, the factor
on the rate of shared parameters) comes from common random numbers: trial k has the same learning rate for
every method. What a method has of its own is declared by its constructor (`Annotated[float, Search(1, 1e4)]`)
and drawn beside it.

The winner, by validation error, is found by the leaderboard (`leaderboard.boards.tuned_track`).
"""

from collections.abc import Iterable
from pathlib import Path

from bench.catalogue.method import Method
from bench.catalogue.options import Search, write
from bench.catalogue.registry import Choice
from bench.planning.plan import parse_suite, plan
from bench.records import Call, RunSpec, Tuning, derive_seed

TRIAL_SEED = 1000  # far from the seeds of boards: a winner is judged on runs that did not choose it
RATES = Search(choices=(0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0))  # factors on the protocol's learning rate
DECAYS = Search(choices=(0.0, 1e-5, 1e-4, 1e-3))


def draw_settings(suite_text: str, lr: float, tasks: int, number: int) -> dict[str, str]:
    """The shared part of trial `number`, as `--set` writes it: the same for every method of a suite.

    Args:
        suite_text: the canonical text of the suite, a part of the random stream.
        lr: learning rate of its protocol, which factors are drawn on.
        tasks: T; shared parameters have 1/T, 1 or T times the rate of the others.
        number: of the trial, from 0.
    """

    def draw(space: Search, name: str) -> float:
        return float(space.draw(_uniform(suite_text, number, name)))

    return {
        # Six digits: a product of floats would have a text that nobody can read or write again.
        "lr": write(float(f"{lr * draw(RATES, 'lr'):.6g}")),
        "weight_decay": write(draw(DECAYS, "weight_decay")),
        "trunk_lr": write(draw(Search(choices=(1 / tasks, 1.0, float(tasks))), "trunk_lr")),
    }


def draw_method(suite_text: str, method: Method, number: int) -> str:
    """The text of `method` in trial `number`: options with a search space are drawn, the others stay as given.

    Streams are named by suite, part and option, so methods with a part in common draw the same for it.
    """

    def part(choice: Choice) -> Call:
        spaces = {name: option.search for name, option in choice.entry.options.items() if option.search}
        fresh = {
            name: write(space.draw(_uniform(suite_text, number, choice.entry.kind, choice.entry.name, name)))
            for name, space in spaces.items()
            if choice.values[name] is not None  # None: another option stands in for it
        }
        return Call(choice.entry.name, choice.written | fresh)

    constraint = f"+{part(method.constraint)}" if method.constraint else ""
    return f"{part(method.sharing)}{constraint}@{part(method.weighting)}"


def plan_trials(
    suite_text: str,
    method_text: str,
    count: int,
    device: str = "auto",
    data_dir: Path | None = None,
    version: int | None = None,
) -> list[RunSpec]:
    """The specifications of trials 0 to `count` - 1 of one method, all with `TRIAL_SEED`.

    Args:
        suite_text: the suite as written.
        method_text: the method as written; options that were given and have a search space are drawn too.
        count: number of trials, equal for all methods of a comparison.
        device: as in `plan`.
        data_dir, version: as in `plan`.

    Raises UsageError for what the user wrote, DataMissing where the data is not there.
    """
    choice, suite = parse_suite(suite_text, data_dir, version)
    method, specs = Method.parse(method_text), []
    for number in range(count):
        shared = draw_settings(choice.canonical, suite.protocol.lr, len(suite.tasks), number)
        text = draw_method(choice.canonical, method, number)
        [spec] = plan(suite_text, [text], [TRIAL_SEED], shared, device, data_dir, tested=False, version=version)
        ends = {write(float(f"{suite.protocol.lr * factor:.6g}")) for factor in RATES.ends}
        edges = ("lr",) if shared["lr"] in ends else ()
        specs.append(spec.vary(tuning=Tuning(of=method.short, trial=number, stage="trial", edges=edges)))
    return specs


def plan_finals(trial: RunSpec, seeds: Iterable[int]) -> list[RunSpec]:
    """The specifications of a winning trial on fresh seeds, judged on the test split.

    trial: the specification of a trial; its settings and options stay as they are.
    """
    assert trial.tuning is not None
    tuning = trial.tuning.model_copy(update={"stage": "final"})
    return [trial.vary(seed=seed, tuning=tuning) for seed in seeds]


def _uniform(*names: object) -> float:
    """A number in [0, 1) that depends on the names alone."""
    return derive_seed("tune", *names) / 2**63
