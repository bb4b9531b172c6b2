"""`run`: plan cells and run what is missing, as `mtlbench run` does, and what came of them."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench.cli import options
from bench.errors import UsageError, require_choice, require_number, require_text
from bench.execution.plan_status import PlanStatus
from bench.records import ResultRecord, RunSpec, parse_seeds
from leaderboard.analysis.statistics import SelectionRule
from leaderboard.boards.board import board_of_suite
from leaderboard.report.html import write_html_notes
from leaderboard.report.table import tabulate
from leaderboard.store import Store, StoreContents
from mtlbench._results import make_frame
from mtlbench._tables import BoardTable

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class RunResults:
    """The cells that `run` planned, and where their records lie; a notebook shows their board.

    It holds no numbers: records are read from the store when they are asked for.

    Attributes:
        suite: its short name.
        store: the folder of records.
        status: what became of each cell: `stored` before, `done` now, or `failed`.
    """

    suite: str
    store: Path
    status: PlanStatus

    @property
    def run_ids(self) -> list[str]:
        """The ids of the runs, in the order of the plan."""
        return [spec.run_id for spec in self.status.specs]

    @property
    def failed(self) -> dict[str, str]:
        """Run id -> why it failed, in one sentence."""
        return dict(self.status.errors)

    @property
    def records(self) -> list[ResultRecord]:
        """The records of the runs that are stored, in the order of the plan."""
        found = {record.run_id: record for record in Store(self.store).read(self.suite.partition(":")[0]).records}
        return [found[run] for run in self.run_ids if run in found]

    def frame(self, selection: SelectionRule | None = "val") -> "pd.DataFrame":
        """The runs as a data frame, with the rows and columns of `mtlbench.load_results`.

        `gain` is against the runs of single-task in the whole store.
        """
        contents = Store(self.store).read(self.suite.partition(":")[0])
        kept = set(self.run_ids)
        own = [record for record in contents.records if record.run_id in kept]
        return make_frame(contents, own, contents.records, selection)

    def table(self, selection: SelectionRule = "val") -> BoardTable:
        """The board of these runs alone, under whatever settings they have."""
        # Without overrides they pass for runs of the protocol, so that a board shows them.
        own = [
            record.model_copy(update={"spec": record.spec.model_copy(update={"overrides": {}})})
            for record in self.records
        ]
        table = tabulate(board_of_suite(self.suite, own), StoreContents(own), selection)
        return BoardTable((table,), f"`{self.store}`")

    def __len__(self) -> int:
        return len(self.status.specs)

    def __repr__(self) -> str:
        counts = {state: self.status.count(state) for state in ("stored", "done", "failed", "planned")}
        text = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        return f"<{len(self)} runs of `{self.suite}` in `{self.store}`: {text or 'none'}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_() + write_html_notes(list(self.failed.values()))


def run(
    suite: str,
    methods: str | Iterable[str],
    seeds: int | str | Iterable[int] = 0,
    store: str | Path | None = None,
    *,
    controls: str | Iterable[str] = (),
    protocol: int | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    jobs: int | None = None,
    stack: int = 1,
    images: int = 0,
    keep_model: bool = False,
    data_dir: str | Path | None = None,
    plugins: str | Path | Iterable[str | Path] = (),
    **settings: Any,
) -> RunResults:
    """Train methods on a suite, whatever is not stored yet, on this machine; `mtlbench run` has clusters, too.

    Cells run in worker processes, with progress on standard error. Ctrl-C keeps every finished run, and the same call
    goes on.

    Args:
        suite: as in `multimnist:variant=sener`.
        methods: one, or several, as in `soft+l2:halflife=100@pcgrad`.
        seeds: one, several, or a text as `0-4`.
        store: the folder that records go to; None is $MTLBENCH_STORE, then `./runs`, as on the command line.
        controls: as `mtlbench list controls` names them.
        protocol: version of the suite's protocol; None is the current one.
        device: `auto` is cuda where this machine has one.
        jobs: cells at a time; None is one for each core, or for each GPU.
        stack: seeds of a method, at most, that are trained as one model.
        images: test images of each panel that is kept beside a record.
        keep_model: whether the trained model is kept, for `mtlbench predict`.
        data_dir: folder of data sets; None is $MTLBENCH_DATA, then the user-data folder.
        plugins: Python files with methods, suites or kinds of metrics.
        settings: changes of the protocol by name, as `epochs=3, lr=0.01`; they keep the runs off every board.

    Returns:
        What became of every planned cell. A cell that failed is no exception here: see `RunResults.failed`.

    Raises:
        UsageError: something that was asked for does not fit; nothing was trained.
        DataMissing: the data of the suite is not there.
        OSError: the store takes no records.
    """
    from bench.engines import Local
    from bench.execution.cell import StoredCell
    from bench.execution.controls import plan_controls
    from bench.execution.execute import Execution
    from bench.planning.plan import parse_suite, plan

    names, wanted = _list_texts("methods", methods), _list_texts("controls", controls)
    require_text("suite", suite)
    _check_places(device, {"jobs": 1 if jobs is None else jobs, "stack": stack}, images)
    if not names and not wanted:
        raise UsageError("`methods` should name one method or more. Found none, and no `controls`.")
    if wanted and settings:
        raise UsageError("`controls` should be given without settings: a control changes one thing of the protocol.")
    numbers, texts = list(_read_seeds(seeds)), {key: _write_setting(value) for key, value in settings.items()}
    loaded = options.load_plugins(_list_texts("plugins", plugins))
    folder = options.resolve_store_dir(str(store) if store is not None else None)
    data = options.resolve_data_dir(str(data_dir) if data_dir is not None else None)
    specs = plan(suite, names, numbers, texts, device, data, version=protocol) if names else []
    specs += plan_controls(suite, wanted, numbers, device, data, names, protocol)
    _refuse_parts_of_main(specs)
    cell = StoredCell(folder, data, loaded, images=images, keep_model=keep_model)
    status = Execution(cell, Local(jobs), stack).run(specs)
    return RunResults(parse_suite(suite, data, protocol)[0].short, folder, status)


def _refuse_parts_of_main(specs: Iterable[RunSpec]) -> None:
    """Raise UsageError where a part was registered by the running program, which workers do not import."""
    from bench.catalogue.registry import list_entries

    for part in dict.fromkeys(part for spec in specs for part in spec.versions):
        kind, name = part.split("/", 1)
        entry = list_entries(kind).get(name)
        if entry and "__main__" in (entry.module, entry.cls.__module__):
            raise UsageError(
                f"`{name}` should be registered by a file of its own, which workers can load. Found it in the program "
                'itself; move it to a file, and give `plugins=["FILE.py"]`.'
            )


def _list_texts(name: str, given: Any) -> list[str]:
    """One text or path, or several, as texts. Raises UsageError for anything else."""
    several = [given] if isinstance(given, str | Path) or not isinstance(given, Iterable) else list(given)
    for each in several:
        if not isinstance(each, Path):
            require_text(name, each)
    return [str(each) for each in several]


def _check_places(device: str, counts: Mapping[str, int], images: int) -> None:
    """Raise UsageError for a device that there is not, or a number out of its range."""
    require_choice("device", device, ("auto", "cpu", "cuda"))
    if device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError("`device` should be `cuda` on a machine with a GPU that torch can see. Found none.")
    for name, count in counts.items():
        require_number(name, count, least=1, whole=True)
    require_number("images", images, least=0, whole=True)


def _read_seeds(seeds: int | str | Iterable[int]) -> Collection[int]:
    """Seeds as numbers, ascending and each once."""
    if isinstance(seeds, str):
        return parse_seeds(seeds)
    each = list(seeds) if isinstance(seeds, Iterable) else [seeds]
    return parse_seeds(",".join(map(str, each)))


def _write_setting(value: Any) -> str:
    """A setting as `--set` takes it: None is `none`, and a list is joined by slashes."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return "none" if value is None else str(value)
    return "/".join(map(str, value))
