"""The contract of a Suite: splits that are what the protocol says, repeat, and have no row in common."""

import hashlib
import pickle
import random
import sys
from collections import Counter

import numpy as np
import torch
from torch import Tensor

from bench.check.outcome import Broken, attempt, expect
from bench.check.rows import SuiteCase
from bench.core.data import Dataset
from bench.core.labels import check_labels
from bench.errors import UsageError


def shared_inputs(case: SuiteCase) -> None:
    """Tasks that look at the same rows hold the very same tensor; `own_inputs` says that none do.

    By identity a trunk knows that it has to look once. An equal copy would be computed again for each task,
    and rows would be drawn apart. Inputs are float32 once they are decoded, whatever form they are stored in.
    """
    for split, rows in case.splits.items():
        groups, count = len(rows.groups), len(case.suite.tasks)
        expect(
            (groups == count) if case.suite.own_inputs else (groups < count or count == 1),
            f"`own_inputs` should be true where every task has inputs of its own. Found {case.suite.own_inputs} with "
            f"{groups} inputs for {count} tasks in `{split}`; set it, or give the tasks one tensor, as in "
            "`dict.fromkeys(names, inputs)`.",
        )
        seen, _ = rows.take([torch.tensor([0])] * groups)  # decoded, where rows are stored in another form
        kinds = {str(x.dtype) for x in seen.values()}
        expect(
            kinds == {"torch.float32"},
            f"Inputs should be float32. Found {sorted(kinds)} in `{split}`; convert them with `.float()`.",
        )


def splits(case: SuiteCase) -> None:
    """As many rows as the protocol says, inputs and targets of every task, aligned.

    The numbers of rows are part of every run id, and of the check of a finished record. With inputs of
    their own, tasks add their rows up.
    """
    names = {task.name for task in case.suite.tasks}
    for split, rows in case.splits.items():
        expect(
            rows.inputs.keys() == rows.targets.keys() == names,
            f"`dataset` should hold inputs and targets of every task, {sorted(names)}. Found {sorted(rows.inputs)} and "
            f"{sorted(rows.targets)} in `{split}`; use the names of the tasks.",
        )
        expect(
            all(len(rows.inputs[task]) == len(rows.targets[task]) for task in names),
            f"A task should have as many targets as inputs. Found another number in `{split}`; align them.",
        )
        expect(
            rows.rows == case.suite.protocol.splits[split],
            f"`protocol.splits` should give the rows over all inputs. Found {case.suite.protocol.splits[split]} for "
            f"`{split}`, which has {rows.rows}; correct the protocol.",
        )
    test: dict[str, int] = {}
    for task in case.suite.tasks if "test" in case.splits else ():
        test[task.reported] = test.get(task.reported, 0) + len(case.splits["test"].targets[task.name])
    for name, units in case.suite.row_units().items():
        whole = not units.is_floating_point() and units.dtype != torch.bool and bool((units >= 0).all())
        expect(
            whole and name in test and units.shape == (test[name],),
            f"`row_units` should hold a whole number from 0 for each test row of a task. Found {units.dtype} of shape "
            f"{tuple(units.shape)} for `{name}`, which has {test.get(name, 'no')} test rows; count the units from 0.",
        )


def labels(case: SuiteCase) -> None:
    """Rows without a label are in no statistics that count all rows, and are left out of losses and metrics.

    Planning asks the same of a split before anything is trained (`check_labels`). A missing label is NaN,
    or below 0 among classes.
    """
    for split, rows in case.splits.items():
        try:
            check_labels(case.suite, split, rows)
        except UsageError as error:
            raise Broken(str(error)) from error


def are_same_rows(a: Dataset, b: Dataset) -> bool:
    """Whether two splits hold the same inputs and targets, a missing label (NaN) being equal to a missing one.

    a, b: splits of one suite, with the same tasks.
    """
    tensors = [(a.inputs, b.inputs), (a.targets, b.targets)]
    return all(_are_equal(one[task], other[task]) for one, other in tensors for task in one)


def _are_equal(a: Tensor, b: Tensor) -> bool:
    """Equal shape, type and numbers, NaN being equal to NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return torch.equal(a, b) or bool(((a == b) | (a.isnan() & b.isnan())).all())


def _clear_caches(module: str) -> None:
    """Empty the caches of a suite's own modules, so that its data is made anew.

    module: name of the suite's module; the others of its package, if it has one, are included.
    """
    own = sys.modules[module].__package__ or module
    for name in [name for name in sys.modules if name == own or name.startswith(f"{own}.")]:
        for member in vars(sys.modules[name]).values():
            if callable(getattr(member, "cache_clear", None)):
                member.cache_clear()


def repeats(case: SuiteCase) -> None:
    """The same rows and checksums when they are made again, whatever was drawn before.

    Rows that follow the global random state would differ between workers, and a checksum that does not
    repeat would rename every run. Caches of the suite's modules are emptied, and the states of NumPy and
    Python are put back afterwards.
    """
    before = case.suite.checksums()
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        torch.manual_seed(1)
        np.random.seed(1)
        random.seed(1)
        _clear_caches(case.entry.cls.__module__)  # else the second suite would hand out the first one's rows
        again = case.build(case.data_dir)
        for split, rows in case.splits.items():
            new = again.dataset(split, 0)  # type: ignore[arg-type]
            expect(
                are_same_rows(rows, new),
                f"`{split}` should be the same each time it is made with one seed. Found other rows; draw from a "
                "generator with a seed of its own.",
            )
        expect(
            again.checksums() == before and before,
            "`checksums` should name the data, and repeat. Found none, or others when it was made again; hash the data "
            "itself.",
        )
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)


def resident(case: SuiteCase) -> None:
    """Where `resident` says that every seed has the same rows, it has, and they can be handed to a process.

    Workers then share one copy of the rows for all seeds.
    """
    if not case.suite.resident:
        return
    for split, rows in case.splits.items():
        other = case.suite.dataset(split, 1)  # type: ignore[arg-type]
        expect(
            are_same_rows(rows, other),
            f"`resident` should be true where every seed has the same rows. Found others in `{split}` under seed 1; "
            "leave it out.",
        )
        with attempt(f"Pickling the transform of `{split}`, as `resident` asks for"):
            pickle.dumps(rows.transform)


def _hash_rows(rows: Dataset) -> list[bytes]:
    """One hash per row and input, 16 bytes: the input with the targets of all tasks that look at it.

    Targets are part of it, as equal inputs with other targets are other rows.
    """
    hashes = []
    for number, (inputs, tasks) in enumerate(rows.groups):
        parts = [inputs.contiguous().numpy(), *(rows.targets[task].contiguous().numpy() for task in tasks)]
        for row in zip(*parts, strict=True):
            text = b"".join(np.asarray(part).tobytes() for part in row)
            # The salt keeps inputs apart: tasks with inputs of their own may look at equal rows.
            hashes.append(hashlib.blake2b(text, digest_size=16, salt=number.to_bytes(8)).digest())
    return hashes


def disjoint(case: SuiteCase) -> None:
    """No row is in two splits, beyond what rows that occur again inside the training split lead to expect.

    Small synthetic inputs do repeat by chance: if a share r of the rows of one split occurs in it more than
    once, 1.5 r of the other are allowed to occur there too.
    """
    hashes = {split: _hash_rows(rows) for split, rows in case.splits.items()}
    for split in ("val", "test"):
        for other in ("train", "val"):
            if split == other or not {split, other} <= hashes.keys():
                continue
            known = Counter(hashes[other])
            repeated = sum(count for count in known.values() if count > 1) / len(hashes[other])
            common = sum(row in known for row in hashes[split])
            expect(
                common <= 1.5 * repeated * len(hashes[split]),
                f"Rows of `{split}` should not be in `{other}`. Found {common} of {len(hashes[split])} there, with "
                f"{100 * repeated:.2g} % repeated inside `{other}`; split before rows are repeated or combined.",
            )
