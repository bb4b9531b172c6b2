"""Where the phases of a run begin, and how its learning rate falls."""

import bisect
import itertools
import math

from bench.core.state import Phase
from bench.records import Protocol


class TrainingSchedule:
    """Where each phase begins, and the factor on the learning rate at every update."""

    def __init__(self, protocol: Protocol, phases: tuple[Phase, ...]) -> None:
        self.protocol, self.phases = protocol, phases
        shares = list(itertools.accumulate(phase.share for phase in phases))
        self.starts = [0, *(round(share * protocol.updates) for share in shares)]

    def phase(self, step: int) -> int:
        """The number of the phase that update `step` belongs to."""
        return min(bisect.bisect_right(self.starts, step), len(self.phases)) - 1

    def factor(self, step: int) -> float:
        """The learning rate over its first value; every phase starts anew."""
        number = self.phase(step)
        begin, end = self.starts[number], self.starts[number + 1]
        if self.protocol.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - begin) / max(1, end - begin))))
        if self.protocol.schedule == "step":
            epochs = (step - begin) // self.protocol.steps_per_epoch
            return self.protocol.decay_factor ** (epochs // self.protocol.decay_every)
        return 1.0
