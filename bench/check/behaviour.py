"""The contract of a Sharing: what repeats, what is stored, and what a row of features may depend on."""

import inspect
import io
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bench.check.outcome import Broken, Skipped, expect, trying
from bench.check.trial import SharingCase, evaluated, gap, moments, trained
from bench.core.data import by_input
from bench.planning.plan import parse_suite
from bench.training.model import lay_out

TOLERANCE = 1e-10  # float64; sums in another order, but no other numbers


def same(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that are not equal bit for bit, or are in one of the two only."""
    return sorted(a.keys() ^ b.keys()) + [name for name in a.keys() & b.keys() if not torch.equal(a[name], b[name])]


def reloaded(source: nn.Module, target: nn.Module) -> None:
    """The state of `source` through a file without pickled code into `target`."""
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    with trying("Loading the state of a trained module into a fresh one, with weights_only=True,"):
        target.load_state_dict(torch.load(file, weights_only=True))


def same_seed_same_numbers(case: SharingCase) -> None:
    """Weights and features depend on the seed, and not on what was drawn before."""
    for at in case.settings:
        answers, states = [], []
        for noise in (1, 2):
            torch.manual_seed(noise)
            sharing = case.build(at)
            states.append({name: tensor.clone() for name, tensor in sharing.state_dict().items()})
            torch.manual_seed(0)
            answers.append(sharing(at.rows(), moments(sharing)[-1]))
        expect(
            not same(*states),
            f"Two instances of one seed should be equal. Found other values of {same(*states)[:5]} on `{at.text}`; "
            "take stages from `blueprint.backbone()` and draw the rest with `blueprint.generator(name)`.",
        )
        expect(
            gap(*answers) == 0,
            f"Two instances of one seed should give equal features. Found them {gap(*answers):.1g} apart on "
            f"`{at.text}`; draw with `state.generator`.",
        )


def another_seed_other_numbers(case: SharingCase) -> None:
    """The seed reaches the weights."""
    if case.fits_itself:
        raise Skipped("it need not draw anything.")
    for at in case.settings:
        expect(
            same(case.build(at, seed=0).state_dict(), case.build(at, seed=1).state_dict()),
            f"Two seeds should give different weights. Found the same on `{at.text}`; build from the blueprint that "
            "is passed in.",
        )


def state_round_trip(case: SharingCase) -> None:
    """After a step of training, the state holds everything that the features depend on, then and in further steps."""
    if case.fits_itself:
        raise Skipped("no step trains it.")
    for at in case.settings:
        sharing, fresh = case.build(at), case.build(at, seed=1)
        optimiser = torch.optim.SGD(sharing.parameters(), lr=1e-3)
        for state in moments(sharing):
            torch.autograd.backward(trained(sharing, at.rows(), state))
            optimiser.step()
        reloaded(sharing, fresh)
        distance = gap(evaluated(sharing, at.rows()), evaluated(fresh, at.rows()))
        expect(
            distance == 0,
            f"A module should give the same features after its state was stored and loaded. Found them {distance:.1g} "
            f"apart on `{at.text}`; register tensors as parameters or buffers.",
        )
        totals = []
        for module in (sharing, fresh):
            torch.manual_seed(0)
            totals.append(float(trained(module, at.rows(), moments(module)[-1]).detach()))
        expect(
            totals[0] == totals[1],
            "A module should train on alike after its state was stored and loaded, as a run does that was interrupted. "
            f"Found {totals[0]:.6g} and {totals[1]:.6g} on `{at.text}`; register what it remembers as buffers.",
        )


def evaluation_repeats(case: SharingCase) -> None:
    """In evaluation mode nothing is drawn and nothing is changed."""
    for at, sharing in case.each():
        before = {name: tensor.clone() for name, tensor in sharing.state_dict().items()}
        sharing.eval()
        answers = []
        for noise in (1, 2):
            torch.manual_seed(noise)
            answers.append(evaluated(sharing, at.rows(), seed=noise))
        expect(
            gap(*answers) == 0,
            f"Features should repeat in evaluation mode. Found them {gap(*answers):.1g} apart on `{at.text}`; draw "
            "random numbers only where `self.training`.",
        )
        state = moments(sharing)[-1]
        assert state.generator is not None
        start = state.generator.get_state()
        with torch.no_grad():
            sharing(at.rows(), state)
        expect(
            torch.equal(start, state.generator.get_state()) and not same(before, sharing.state_dict()),
            "Evaluation should leave the module and the generator of training as they were. Found "
            f"{same(before, sharing.state_dict())[:5] or 'numbers drawn'} changed on `{at.text}`; do so only where "
            "`self.training`.",
        )


def rows_are_independent(case: SharingCase) -> None:
    """In evaluation mode the features of a row do not depend on the rows beside it."""
    for at, sharing in case.each():
        whole = {task: feature[:2] for task, feature in evaluated(sharing, at.rows()).items()}
        distance = gap(whole, evaluated(sharing, at.rows(2)))
        expect(
            distance < TOLERANCE,
            f"The features of a row should not depend on the other rows in evaluation mode. Found them {distance:.1g} "
            f"apart on `{at.text}`; use running statistics, or none of the batch.",
        )


def some_of_the_tasks(case: SharingCase) -> None:
    """Handed the inputs of some tasks, `forward` answers those, as it does beside the others."""
    for at in case.shared():
        sharing = case.build(at)
        inputs = at.rows()
        whole = evaluated(sharing, inputs)
        for task, x in inputs.items():
            with trying(f"`forward` with the inputs of `{task}` alone on `{at.text}`"):
                alone = evaluated(sharing, {task: x})
            expect(
                list(alone) == [task],
                f"`forward` should answer the tasks of its inputs. Found {list(alone)} for the inputs of `{task}` on "
                f"`{at.text}`; go through `by_input(inputs)`.",
            )
            distance = gap({task: whole[task]}, alone)
            expect(
                distance < TOLERANCE,
                f"The features of `{task}` should be the same beside other tasks and alone: evaluation reads tasks "
                f"with inputs of their own one by one. Found them {distance:.1g} apart on `{at.text}`; compute them "
                "from that task's input.",
            )


def no_access_to_targets(case: SharingCase) -> None:
    """Features are a function of the inputs and the moment of training; data stays unread."""
    names = list(inspect.signature(case.entry.cls.forward).parameters)[1:]  # type: ignore[attr-defined]
    expect(
        len(names) == 2,
        f"`forward` should take the inputs and the state. Found {names}; targets belong to the losses.",
    )
    for at in case.settings:
        _, suite = parse_suite(at.text)

        def refuse(*_: object) -> None:
            raise Broken(
                "A sharing should not read the suite's data. Found a call of `suite.dataset`; features are a function "
                "of the inputs that `forward` is given."
            )

        suite.dataset = refuse  # type: ignore[assignment,method-assign]
        evaluated(case.build(at, suite=suite), at.rows())


def memory_format(case: SharingCase) -> None:
    """Images with their channels last in memory give the same features."""
    images = [at for at in case.settings if any(x.dim() == 4 for x in at.inputs.values())]
    if not images:
        raise Skipped("every suite with images is refused.")
    for at in images:
        sharing = case.build(at)
        plain = evaluated(sharing, at.rows())
        turned = [(x.contiguous(memory_format=torch.channels_last), tasks) for x, tasks in by_input(at.rows())]
        with trying(f"Moving the module and the images of `{at.text}` to channels last"):
            lay_out(sharing, torch.channels_last)
            distance = gap(plain, evaluated(sharing, {task: x for x, tasks in turned for task in tasks}))
        expect(
            distance < TOLERANCE,
            f"Features should not depend on the order of axes in memory. Found them {distance:.1g} apart on "
            f"`{at.text}`; use `reshape` in place of `view`, and no strides.",
        )


BEHAVIOUR = (
    same_seed_same_numbers,
    another_seed_other_numbers,
    state_round_trip,
    evaluation_repeats,
    rows_are_independent,
    some_of_the_tasks,
    no_access_to_targets,
    memory_format,
)
