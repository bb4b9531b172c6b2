"""The rows that a user gives to a network, read: one batch for all tasks, or one for each."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from bench.core.task import Shape
from bench.errors import UsageError, add_article, hint
from bench.toolbox.tracing import cite_error


def read_inputs(names: list[str], x: Any, example: Any) -> dict[str, Any]:
    """task -> rows, of the tasks that have some.

    Args:
        names: of the tasks.
        x: rows for all tasks, a tensor or what else the first stage takes; or task -> rows.
        example: such rows.

    Raises:
        UsageError: there are no rows, or they are no tensors where the example is one, as under the name of no task.
    """
    if isinstance(x, Mapping) and set(x) <= set(names):
        if not x:
            raise UsageError("An input should have rows. Found an empty dictionary.")
        inputs = {name: x[name] for name in names if name in x}
    else:
        inputs = dict.fromkeys(names, x)
    named = example if isinstance(example, Mapping) else {}
    unknown = [name for name in x if name not in names] if isinstance(x, Mapping) else []
    if unknown and len(unknown) < len(x) and not set(x) & set(named):
        raise UsageError(
            f"An input should be of the tasks of the network. Found `{unknown[0]}`; {hint(str(unknown[0]), names)}."
        )
    other = next((rows for rows in inputs.values() if not isinstance(rows, Tensor)), example)
    if isinstance(example, Tensor) and not isinstance(other, Tensor):
        found = f"`{unknown[0]}`; {hint(str(unknown[0]), names)}" if unknown else add_article(type(other).__name__)
        raise UsageError(f"An input should be a tensor, or task -> tensor. Found {found}.")
    return inputs


@contextmanager
def explain_misfit(shape: Shape | None) -> Iterator[None]:
    """Raise UsageError where stages or heads do not take the rows inside.

    shape: of a row of features, for the sentence; None where they took others, and torch's own error says more.
    """
    try:
        yield
    except RuntimeError as error:
        if shape is None or type(error) is not RuntimeError:  # such as out of memory
            raise
        raise UsageError(
            f"Stages and heads should take the input. Found {cite_error(error)}; features have the shape {shape} a row."
        ) from error
