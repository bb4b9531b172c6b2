"""IMTL-L: learned scales that keep the scaled losses alike."""

from torch import Tensor

from bench.api import Scalarised, StepState, register


@register(
    "imtl_l",
    title="IMTL, losses",
    family="weighted losses",
    paper="Liu et al., Towards Impartial Multi-task Learning, ICLR 2021 (loss balance)",
)
class IMTLL(Scalarised):
    """sum_t exp(s_t) L_t - s_t with s_t learned: w_t = exp(s_t).

    With s_t = 0 the weights start at 1; the weight that a constant loss L settles at is 1 / L. `uncertainty` with
    s_t = -log sigma_t^2 and twice the loss. By TorchJD.
    """

    def __init__(self, tasks: list[str]) -> None:
        from torchjd.scalarization import IMTLL as Rule

        super().__init__(tasks, Rule(len(tasks)))

    def scalarise(self, losses: Tensor, state: StepState) -> Tensor:
        """The sum over the tasks that are there; the scales of the others stay."""
        if state.present is None:
            return super().scalarise(losses, state)
        scale: Tensor = state.take(self.scalarisation.log_scale)  # type: ignore[arg-type]
        return (scale.exp() * losses - scale).sum()
