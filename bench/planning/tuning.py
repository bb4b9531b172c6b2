"""Random search at equal budget: what a trial is, and the runs it asks for.

Every method draws the same number of trials. What all methods have (learning rate, weight decay, the factor
on the rate of shared parameters) comes from common random numbers: trial k has the same learning rate for
every method. What a method has of its own is declared by its constructor (`Annotated[float, Search(1, 1e4)]`)
and drawn beside it.
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
    """The shared part of trial `number`, as `--set` writes it: the same for every method of a suite."""

    def at(space: Search, name: str) -> float:
        return float(space.at(_uniform(suite_text, number, name)))

    return {
        "lr": write(float(f"{lr * at(RATES, 'lr'):.6g}")),
        "weight_decay": write(at(DECAYS, "weight_decay")),
        "trunk_lr": write(at(Search(choices=(1 / tasks, 1.0, float(tasks))), "trunk_lr")),
    }


def drawn(suite_text: str, method: Method, number: int) -> str:
    """The method of trial `number`: every option with a search space is drawn, the others stay as they were given."""

    def part(choice: Choice) -> Call:
        spaces = {name: option.search for name, option in choice.entry.options.items() if option.search}
        fresh = {
            name: write(space.at(_uniform(suite_text, number, choice.entry.kind, choice.entry.name, name)))
            for name, space in spaces.items()
            if choice.values[name] is not None  # None: another option stands in for it
        }
        return Call(choice.entry.name, choice.written | fresh)

    constraint = f"+{part(method.constraint)}" if method.constraint else ""
    return f"{part(method.sharing)}{constraint}@{part(method.weighting)}"


def trials(
    suite_text: str, method_text: str, count: int, device: str = "auto", data_dir: Path | None = None
) -> list[RunSpec]:
    """Trials 0 to `count` - 1 of one method. Raises UsageError for what the user wrote."""
    choice, suite = parse_suite(suite_text, data_dir)
    method, found = Method.parse(method_text), []
    for number in range(count):
        shared = draw_settings(choice.canonical, suite.protocol.lr, len(suite.tasks), number)
        text = drawn(choice.canonical, method, number)
        [spec] = plan(suite_text, [text], [TRIAL_SEED], shared, device, data_dir, tested=False)
        ends = {write(float(f"{suite.protocol.lr * factor:.6g}")) for factor in RATES.ends}
        edges = ("lr",) if shared["lr"] in ends else ()
        found.append(spec.varied(tuning=Tuning(of=method.short, trial=number, stage="trial", edges=edges)))
    return found


def finals(trial: RunSpec, seeds: Iterable[int]) -> list[RunSpec]:
    """The winning trial on fresh seeds, judged on the test split."""
    assert trial.tuning is not None
    tuning = trial.tuning.model_copy(update={"stage": "final"})
    return [trial.varied(seed=seed, tuning=tuning) for seed in seeds]


def _uniform(*names: object) -> float:
    return derive_seed("tune", *names) / 2**63
