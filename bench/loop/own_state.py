"""What a method knows of a loop of one's own: the updates done, and the budget where it was given."""

from dataclasses import dataclass

from bench.core.state import TrainState
from bench.errors import UsageError


@dataclass
class LoopState(TrainState):
    """The state of a loop whose budget may be unknown: who asks for a part of it that was not given is refused.

    Args:
        known: whether the number of updates was given.
        paced: whether the number of updates in an epoch was given.
    """

    known: bool = True
    paced: bool = True

    @property
    def progress(self) -> float:
        if not self.known:
            raise UsageError(
                "`updates` should be given to `share`, since this method depends on the share of the budget that is "
                "spent. Found none; add `updates=...`, the number of updates in all."
            )
        return min(1.0, self.step / self.updates)

    @property
    def epoch(self) -> int:
        if not self.paced:
            raise UsageError(
                "`steps_per_epoch` should be given, since this method looks at losses epoch by epoch. Found none; add "
                "`steps_per_epoch=...`, the number of updates in an epoch."
            )
        return super().epoch
