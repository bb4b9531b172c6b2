"""The runs behind one question: does learning together help, whom, and with which sharing?

A `Question` knows which runs each answer rests on. They are named as `mtlbench run` and `mtlbench curve` name them, so
that every number can be made again by a command. Nothing is trained here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch

from bench.catalogue.method import Method
from bench.catalogue.options import write
from bench.core.suite import Suite
from bench.errors import UsageError, hint
from bench.planning.curve import plan_curve
from bench.planning.plan import parse_suite, plan
from bench.records import RunSpec
from bench.records.values import SettingGrid, write_setting

ALONE = "single_task"
# From one trunk to towers that are hardly held: the ends and the middle of the axis, in few runs.
DESCENT_METHODS = (
    "hard",
    "soft+l2:halflife=100",
    "cross_stitch",
    "hard_wide",
    "soft+l2:halflife=10",
    "soft+l2:halflife=1000",
)
SOLVED_METHODS = ("soft+l2", "soft+trace_norm", "hard")
# Size without sharing: separate models as large as all together, and towers whose units do not mix.
DESCENT_CONTROLS = ("single_task_wide", "cross_stitch:cross=0")
SOLVED_CONTROLS = ("soft+ridge",)
RATE_FACTORS = (1 / 3, 1.0, 3.0)  # of the protocol's learning rate: the same list for every method
TUNING_SEEDS = (1000, 1001)  # far from those that judge
MAX_PAIRED = 6  # tasks of which every pair is run, where nothing else is said
PAIR_METHODS = 2  # of the methods, in their order, that pairs are run under
TUNED_SETTING = "lr"
STACK = 10  # seeds and rates of a small network that are trained as one: three times as fast on one thread

Changes = Mapping[str, str]  # setting of the protocol -> its text
NO_CHANGES: Changes = {}


@dataclass(frozen=True)
class Question:
    """A suite, and what is asked of it.

    Args:
        suite_text: as written.
        main: the task that is asked about; None for every one.
        settings: changes of the protocol, key -> text.
        device, data_dir: as in `plan`.
        pairs: whether every pair of tasks is asked about; None for up to six tasks.
        candidates: methods to compare; None for the usual ones.
        version: of the suite's protocol; None for the current one.

    Raises (on use):
        UsageError: the suite has one task, `main` is none of them, or nothing that shares can be run on it.
    """

    suite_text: str
    main: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"
    data_dir: Path | None = None
    pairs: bool | None = None
    candidates: tuple[str, ...] | None = None
    version: int | None = None

    @cached_property
    def suite(self) -> Suite:
        """The suite, built, as it is without changes."""
        return parse_suite(self.suite_text, self.data_dir, self.version)[1]

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """The tasks by name, in the order of the suite, or those that the settings keep."""
        names = [task.name for task in self.suite.tasks]
        kept = self.settings["tasks"].split("/") if "tasks" in self.settings else names
        tasks = tuple(name for name in names if name in kept)
        if len(tasks) < 2:
            raise UsageError(f"There should be two tasks or more. Found {len(tasks)}.")
        return tasks

    @cached_property
    def mains(self) -> tuple[str, ...]:
        """The tasks that are asked about."""
        if self.main is None:
            return self.tasks
        if self.main not in self.tasks:
            raise UsageError(f"There is no task `{self.main}`; {hint(self.main, self.tasks)}.")
        return (self.main,)

    @cached_property
    def paired(self) -> bool:
        """Whether pairs of tasks are run. With two tasks the pair is the whole suite."""
        return len(self.tasks) <= MAX_PAIRED if self.pairs is None else self.pairs

    @cached_property
    def tuned(self) -> bool:
        """Whether a learning rate is chosen on validation: not of a solver, and not without such a split."""
        protocol = self.suite.protocol
        return protocol.fit == "descent" and protocol.selection == "val" and TUNED_SETTING not in self.settings

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """The methods that share and can be run here, the first of them first of all."""
        solved = self.suite.protocol.fit == "solver"
        wanted = self.candidates or (SOLVED_METHODS if solved else DESCENT_METHODS)
        methods = self._supported(wanted)
        if not methods:
            raise UsageError(f"No method that shares can be run on `{self.suite_text}`: {self.left_out[wanted[0]]}")
        return methods

    @cached_property
    def controls(self) -> tuple[str, ...]:
        """Methods without sharing that are as large as those that share, or regularised as much."""
        return self._supported(SOLVED_CONTROLS if self.suite.protocol.fit == "solver" else DESCENT_CONTROLS)

    @cached_property
    def left_out(self) -> dict[str, str]:
        """Method that cannot be run on this suite -> why, in a sentence. Filled as methods are looked at."""
        return {}

    @cached_property
    def pair_methods(self) -> tuple[str, ...]:
        """The methods that pairs of tasks are run under."""
        return self.methods[:PAIR_METHODS] if self.paired else ()

    @cached_property
    def grid(self) -> SettingGrid:
        """The learning rates that each method is tried at first, rounded to two digits but for the protocol's own."""
        rates = [float(f"{self.suite.protocol.lr * factor:.2g}") for factor in RATE_FACTORS]
        rates[RATE_FACTORS.index(1.0)] = self.suite.protocol.lr
        return SettingGrid(TUNED_SETTING, tuple(rates))

    @cached_property
    def overlap(self) -> float:
        """Test rows per training row where seeds are random splits of the same rows, else 0."""
        return self.spec(ALONE, 0).protocol.overlap

    @property
    def stack(self) -> int:
        """How many seeds and rates are worth training as one: of networks on rows of numbers, which are small."""
        small = self.suite.protocol.fit == "descent" and len(self.suite.input_shape) == 1
        return STACK if small else 1

    @cached_property
    def redrawn(self) -> bool:
        """Whether seeds differ by which rows are tested, and not by initial weights and order alone."""
        first, second = (self.suite.dataset("test", seed) for seed in (0, 1))
        return first is not second and not torch.equal(first.inputs[self.tasks[0]], second.inputs[self.tasks[0]])

    def plan_tuning(
        self, method: str, grid: SettingGrid | None = None, tasks: Sequence[str] = (), changes: Changes = NO_CHANGES
    ) -> list[RunSpec]:
        """The runs by which validation chooses a learning rate for a method: `mtlbench curve` over `grid`.

        Args:
            method: as written.
            grid: the learning rates; by default those that every method is tried at.
            tasks, changes: as in `spec`.

        Raises UsageError where the protocol does not take one of them.
        """
        grid = grid or self.grid
        if not self.tuned:
            return []
        # What shares nothing needs no tasks that nobody asks about.
        settings = self._with_tasks(tasks or (self.mains if method == ALONE else ())) | dict(changes)
        key = method, grid, tuple(sorted(settings.items()))
        if key not in self._curves:
            how = settings, self.device, self.data_dir, self.version
            self._curves[key] = plan_curve(self.suite_text, [method], grid, TUNING_SEEDS, *how)
        return self._curves[key]

    @cached_property
    def _curves(self) -> dict[tuple[object, ...], list[RunSpec]]:
        """(method, learning rates, settings) -> its runs at them, planned once."""
        return {}

    def spec(
        self,
        method: str,
        seed: int,
        rate: float | None = None,
        tasks: Sequence[str] = (),
        changes: Changes = NO_CHANGES,
    ) -> RunSpec:
        """One run, as `mtlbench run SUITE METHOD --seeds SEED --set ...` names it.

        Args:
            method: as written.
            seed: of the run.
            rate: learning rate; None, or the protocol's own, changes nothing.
            tasks: those that are learnt; all for none.
            changes: of the protocol beside those of the question, such as tasks whose labels are dealt out anew.

        Raises UsageError where the method cannot be run.
        """
        settings = self._with_tasks(tasks) | dict(changes)
        if rate is not None and rate != self.suite.protocol.lr:
            settings[TUNED_SETTING] = write_setting(TUNED_SETTING, rate)
        key = method, tuple(sorted(settings.items()))
        if key not in self._planned:
            how = settings, self.device, self.data_dir
            [self._planned[key]] = plan(self.suite_text, [method], [0], *how, version=self.version)
        if (*key, seed) not in self._planned:
            self._planned[*key, seed] = self._planned[key].vary(seed=seed)
        return self._planned[*key, seed]

    def _with_tasks(self, tasks: Sequence[str]) -> dict[str, str]:
        """The settings of a run of `tasks`, or of all. Tasks that are scored together are told apart by naming them."""
        settings = dict(self.settings)
        pooled = any(task.pool for task in self.suite.tasks)
        if tasks and set(tasks) != set(self.tasks):
            settings["tasks"] = write(tuple(tasks))
        elif pooled:
            settings.setdefault("tasks", write(self.tasks))
        return settings

    @cached_property
    def _planned(self) -> dict[tuple[object, ...], RunSpec]:
        """(method, settings) -> the run of seed 0, and (method, settings, seed) -> another that differs in the seed."""
        return {}

    def _supported(self, methods: Iterable[str]) -> tuple[str, ...]:
        """Those that can be run, in short form; why the others cannot is noted in `left_out`."""
        supported = []
        for method in methods:
            try:
                self.spec(method, 0)
                if self.tuned and Method.parse(method).fits_itself:
                    raise UsageError(f"`{method}` is fitted to all rows at once, without a learning rate to choose.")
            except UsageError as error:
                self.left_out[method] = str(error)
            else:
                supported.append(Method.parse(method).short)
        return tuple(dict.fromkeys(supported))
