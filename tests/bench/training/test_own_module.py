"""Under Lightning's Trainer a network of `share` takes the steps that it takes in a loop by hand."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from bench.errors import UsageError
from bench.loop.own_network import OwnNetwork
from bench.loop.pieces import constrain
from bench.loop.share import share
from bench.training.own_module import HoldCallback, MultiTaskLightning

ROWS = torch.randn(24, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


class Mine(MultiTaskLightning):
    def losses(self, batch: Any) -> Mapping[str, Tensor | None]:
        [x] = batch
        return {task: (p - x[:, : p.shape[1]]).square().mean() for task, p in self(x).items()}

    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.SGD(self.network.parameter_groups(lr=0.1, optimiser="sgd"))
        return [optimiser], [{"scheduler": torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.9), "interval": "step"}]


def make(method: str, **options: Any) -> OwnNetwork:
    torch.manual_seed(0)
    stages = [nn.Sequential(nn.Linear(6, 5), nn.Tanh()), nn.Sequential(nn.Linear(5, 4), nn.Tanh())]
    return share(stages, {"a": nn.Linear(4, 1), "b": nn.Linear(4, 2)}, method, **options).double()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Lightning advises workers and more logging."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def fit(module: L.LightningModule, folder: Path, batch: int = 6, **flags: Any) -> L.Trainer:
    defaults: dict[str, Any] = {"accelerator": "cpu", "devices": 1, "max_epochs": 2, "logger": False}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = L.Trainer(**(defaults | quiet | {"default_root_dir": folder} | flags))
    trainer.fit(module, None if isinstance(module, Divided) else DataLoader(TensorDataset(ROWS), batch_size=batch))
    return trainer


def by_hand(net: OwnNetwork, clip: float | None = None, batch: int = 6, parts: int = 1) -> OwnNetwork:
    """Two epochs in a loop of one's own, with the optimiser and the schedule of `Mine`."""
    module = Mine(net)
    [optimiser], [entry] = module.configure_optimizers()
    batches = [[x] for x in ROWS.split(batch)] * 2
    for k in range(0, len(batches), parts):
        optimiser.zero_grad()
        for each in batches[k : k + parts]:
            net.backward(module.losses(each), share=1 / parts)
        net.update(optimiser, clip_norm=clip, again=lambda each=batches[k]: module.losses(each))  # type: ignore[misc]
        entry["scheduler"].step()
    return net


def is_same(one: nn.Module, other: nn.Module, tolerance: float = 0.0) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.allclose(a, b, rtol=0, atol=tolerance) if tolerance else torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    "method", ["hard", "single_task", "soft+l2:halflife=5", "cross_stitch+l2@pcgrad", "hard@famo", "adashare"]
)
def test_a_trainer_takes_the_steps_of_a_loop(method: str, tmp_path: Path) -> None:
    trained, own = make(method, updates=8), make(method, updates=8)
    trainer = fit(Mine(trained), tmp_path, gradient_clip_val=0.5)
    assert trained.state.step == trainer.global_step == 8
    assert is_same(trained, by_hand(own, clip=0.5))


@pytest.mark.parametrize("method", ["hard", "hard@pcgrad", "soft+l2:halflife=5"])
def test_a_trainer_accumulates_as_a_loop(method: str, tmp_path: Path) -> None:
    trained, own = make(method), make(method)
    fit(Mine(trained), tmp_path, accumulate_grad_batches=2)
    assert trained.state.step == 4
    assert is_same(trained, by_hand(own, parts=2), 1e-14)


def test_mixed_precision_of_the_trainer_is_autocast(tmp_path: Path) -> None:
    trained, own = (make("cross_stitch:rate=1@pcgrad").float() for _ in range(2))

    class Narrow(Mine):
        def losses(self, batch: Any) -> Mapping[str, Tensor | None]:
            return super().losses([batch[0].float()])

    fit(Narrow(trained), tmp_path, precision="bf16-mixed")
    module = Narrow(own)
    [optimiser], [entry] = module.configure_optimizers()
    for x in [*ROWS.split(6)] * 2:
        with torch.autocast("cpu", torch.bfloat16):
            losses = module.losses([x])
        own.step(losses, optimiser)
        entry["scheduler"].step()
    assert is_same(trained, own)


def test_losses_are_logged_by_task(tmp_path: Path) -> None:
    trainer = fit(Mine(make("hard")), tmp_path)
    assert {"train_loss", "train_loss/a", "train_loss/b"} <= set(trainer.callback_metrics)


@pytest.mark.parametrize("method", ["adashare", "soft+l2:halflife=3"])
def test_a_checkpoint_of_the_trainer_goes_on_where_it_stopped(method: str, tmp_path: Path) -> None:
    """Weights are loaded before the optimiser is made, which would tell a constraint the rate at the start."""
    whole, half, other = (make(method, updates=8) for _ in range(3))
    fit(Mine(whole), tmp_path)
    trainer = fit(Mine(half), tmp_path, max_epochs=1)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    flags = {"accelerator": "cpu", "devices": 1, "max_epochs": 2, "logger": False, "enable_progress_bar": False}
    again = L.Trainer(**flags, enable_model_summary=False, default_root_dir=tmp_path)  # type: ignore[arg-type]
    loader = DataLoader(TensorDataset(ROWS), batch_size=6)
    again.fit(Mine(other), loader, ckpt_path=str(tmp_path / "half.ckpt"), weights_only=False)
    assert other.state.step == 8
    assert is_same(whole, other)


class Theirs(L.LightningModule):
    """Somebody else's module, with two towers that know nothing of each other."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.towers = nn.ModuleList(nn.Linear(6, 1) for _ in range(2)).double()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return torch.stack([(tower(batch[0]) - t).square().mean() for t, tower in enumerate(self.towers)]).sum()

    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.SGD(self.parameters(), lr=0.1)
        return [optimiser], [{"scheduler": torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.5), "interval": "step"}]


@pytest.mark.parametrize("parts", [1, 2])
def test_a_callback_applies_a_constraint_to_somebody_elses_module(parts: int, tmp_path: Path) -> None:
    trained, own = Theirs(), Theirs()
    held = constrain(list(trained.towers), "l2:halflife=3", lr=0.1)
    fit(trained, tmp_path, callbacks=[HoldCallback(held)], accumulate_grad_batches=parts)
    by = constrain(list(own.towers), "l2:halflife=3", lr=0.1)
    [optimiser], [entry] = own.configure_optimizers()
    batches = [[x] for x in ROWS.split(6)] * 2
    for k in range(0, len(batches), parts):
        optimiser.zero_grad()
        for each in batches[k : k + parts]:
            (own.training_step(each, 0) / parts).backward()
        optimiser.step()
        by.after_step(optimiser)
        entry["scheduler"].step()
    assert held.updates == by.updates == 8 // parts
    assert is_same(trained, own, 1e-15)
    assert not is_same(trained, Theirs())


class Divided(Mine):
    """With every other row in each of two processes, so that they have those of one batch of twice the size."""

    def train_dataloader(self) -> Any:
        rows, trainer = TensorDataset(ROWS), self.trainer
        sampler = DistributedSampler(rows, trainer.world_size, trainer.global_rank, shuffle=False)
        return DataLoader(rows, batch_size=12 // trainer.world_size, sampler=sampler)


@pytest.mark.parametrize("method", ["hard", "soft+l2:halflife=5", "hard@uncertainty", "hard@dwa"])
def test_two_processes_train_as_one(method: str, tmp_path: Path) -> None:
    """Under ddp with half of the rows each, the mean of gradients is the gradient of the whole batch."""
    one, two = make(method, steps_per_epoch=2), make(method, steps_per_epoch=2)
    fit(Divided(two), tmp_path, devices=2, strategy="ddp_fork")
    fit(Divided(one), tmp_path)
    assert one.state.step == two.state.step == 4
    assert is_same(one, two, 1e-12)
    assert not is_same(one, make(method))


def test_gradients_of_every_loss_are_refused_over_processes(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="should be trained by one process, since"):
        fit(Divided(make("hard@pcgrad")), tmp_path, devices=2, strategy="ddp_fork")


def test_what_is_no_network_or_constraint_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError, match=r"`network` should be one of `mtlbench.share`. Found a Linear"):
        Mine(nn.Linear(2, 2))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"`held` should be what `mtlbench.constrain` returns. Found a NoneType"):
        HoldCallback(None)  # type: ignore[arg-type]
