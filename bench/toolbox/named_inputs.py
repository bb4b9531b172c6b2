"""Named inputs of a batch, as tokens and their mask: what stages read beside the features that they are passed.

The first stage is given a mapping, name -> tensor; every later one the features of the stage before it. What a later
stage needs of the mapping it reads here, since features are all that methods mix and pass on.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from bench.errors import UsageError


@dataclass(frozen=True)
class _Pass:
    """One run of rows through stages.

    Args:
        inputs: the named ones; empty for plain tensors.
        passed: what a stage leaves for later ones, by key.
    """

    inputs: Mapping[str, Any]
    passed: dict[Any, Any] = field(default_factory=dict)


_PASS: ContextVar[_Pass | None] = ContextVar("pass", default=None)


@contextmanager
def hold_named_inputs(inputs: Any) -> Iterator[None]:
    """Let all stages that run in the block read `inputs`, where they are named ones; a tensor has none."""
    token = _PASS.set(_Pass(inputs if isinstance(inputs, Mapping) else {}))
    try:
        yield
    finally:
        _PASS.reset(token)


def read_named_inputs() -> Mapping[str, Any]:
    """The named inputs of the rows that a stage or head is run on, as the attention mask; empty for plain tensors.

    Raises UsageError outside of a pass of the network, as where a checkpoint runs a stage again in the backward pass.
    """
    return _read_pass().inputs


def pass_on(key: Any, value: Any) -> None:
    """Leave `value` for later stages of this pass, under `key`."""
    _read_pass().passed[key] = value


def take_over(key: Any) -> Any:
    """What an earlier stage of this pass left under `key`. Raises UsageError where none did."""
    passed = _read_pass().passed
    if key not in passed:
        raise UsageError(
            "Stages of an encoder should run after its first one, on the same rows. Found one that is run without it; "
            "take a method that runs all stages in order, as `hard` or `cross_stitch`."
        )
    return passed[key]


def _read_pass() -> _Pass:
    """The pass that is going on. Raises UsageError where there is none."""
    current = _PASS.get()
    if current is None:
        raise UsageError(
            "Named inputs should be read while the network runs. Found no such pass, as where a checkpoint around a "
            "stage runs it again; checkpoint its layers (`model.activation_checkpointing_enable()`), or run stages by "
            "hand inside `with hold_named_inputs(inputs):`."
        )
    return current
