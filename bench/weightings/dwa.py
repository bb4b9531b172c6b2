"""Dynamic weight average: tasks whose loss falls slowly weigh more."""

from typing import Annotated, Any

from torch import Tensor

from bench.api import Gt, Scalarised, StepState, register


@register("dwa", paper="Liu, Johns, Davison, End-to-End Multi-Task Learning with Attention, CVPR 2019, equation 7")
class DWA(Scalarised):
    """Weights by how fast each loss fell over the last two epochs.

    w_t = T exp(r_t / temperature) / sum_s exp(r_s / temperature), r_t = L_t(e - 1) / L_t(e - 2), L_t(e) the mean
    training loss of epoch e; 1 in the first two epochs. Weights sum to T. By TorchJD.

    temperature: > 0; larger is more even.
    """

    def __init__(self, tasks: list[str], *, temperature: Annotated[float, Gt(0)] = 2.0) -> None:
        from torchjd.scalarization import DWA as Rule

        super().__init__(tasks, Rule(temperature))
        self.epoch = 0

    def forward(self, state: StepState) -> Tensor:
        """Tell the rule where an epoch begins, then weigh."""
        if state.train.epoch != self.epoch:
            self.scalarisation.step()  # type: ignore[operator]
            self.epoch = state.train.epoch
        return super().forward(state)

    def get_extra_state(self) -> dict[str, Any]:
        """The sums and means of TorchJD's rule, which are no buffers of it."""
        rule: Any = self.scalarisation
        return {
            "epoch": self.epoch,
            "sum": rule._loss_sum,
            "batches": rule._n_batches,
            "averages": list(rule._previous_averages),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        rule: Any = self.scalarisation
        self.epoch, rule._loss_sum, rule._n_batches = state["epoch"], state["sum"], state["batches"]
        rule._previous_averages = list(state["averages"])
