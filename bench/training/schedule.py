"""Where the phases of a run begin, and how its learning rate falls.

Pure arithmetic on the protocol: the module asks for the phase and the factor of every update.
"""

import bisect
import itertools
import math

from bench.core.state import Phase
from bench.records import Protocol


class TrainingSchedule:
    """The phases of a budget of updates, and the factor on the learning rate at every update.

    Phase i begins at update `starts[i]`; the last entry of `starts` is the budget. A short phase may have no update.
    """

    def __init__(self, protocol: Protocol, phases: tuple[Phase, ...]) -> None:
        self.protocol, self.phases = protocol, phases
        shares = list(itertools.accumulate(phase.share for phase in phases))
        self.starts = [0, *(round(share * protocol.updates) for share in shares)]

    def phase(self, step: int) -> int:
        """The number of the phase that update `step` belongs to."""
        return min(bisect.bisect_right(self.starts, step), len(self.phases)) - 1

    def factor(self, step: int) -> float:
        """The learning rate of update `step` over its initial value; every phase starts anew, at 1.

        `cosine`: (1 + cos(pi s)) / 2, with s in [0, 1) the share of the phase that is done. `step`: `decay_factor` to
        the number of times that `decay_every` epochs of the phase are over. Otherwise 1.
        """
        number = self.phase(step)
        begin, end = self.starts[number], self.starts[number + 1]
        if self.protocol.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - begin) / max(1, end - begin))))
        if self.protocol.schedule == "step":
            epochs = (step - begin) // self.protocol.steps_per_epoch
            return self.protocol.decay_factor ** (epochs // self.protocol.decay_every)
        return 1.0
