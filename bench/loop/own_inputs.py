"""The rows that a user gives to a network, read: one batch for all tasks, or one for each."""

from collections.abc import Mapping
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
    other = next((rows for rows in inputs.values() if not isinstance(rows, Tensor)), example)
    if isinstance(example, Tensor) and not isinstance(other, Tensor):
        unknown = next((str(name) for name in other if name not in names), "") if isinstance(other, Mapping) else ""
        found = f"`{unknown}`; {hint(unknown, names)}" if unknown else add_article(type(other).__name__)
        raise UsageError(f"An input should be a tensor, or task -> tensor. Found {found}.")
    return inputs


def refuse_misfit(error: Exception, shape: Shape) -> UsageError:
    """The one sentence on rows that stages or heads stumble over, to be raised; `shape` of a row of features."""
    return UsageError(
        f"Stages and heads should take the input. Found {cite_error(error)}; features have the shape {shape} a row."
    )
