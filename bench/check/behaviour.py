"""The contract of a Sharing: what repeats, what is stored, and what a row of features may depend on.

All in float64 on small problems, so that a difference is one of meaning and not of rounding.
"""

import inspect
import io
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bench.check.outcome import Broken, Skipped, attempt, expect
from bench.check.trial import SharingCase, compute_stand_in, evaluate_features, list_moments, measure_gap
from bench.core.data import Dataset, group_by_input
from bench.core.suite import Split, Suite, derive_suite
from bench.planning.plan import parse_suite
from bench.training.model import lay_out

TOLERANCE = 1e-10  # float64; sums in another order, but no other numbers


def list_differences(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors that are not equal bit for bit, or are in one of the two only.

    a, b: name -> tensor, as a `state_dict` or the answers of a constraint.
    """
    return sorted(a.keys() ^ b.keys()) + [name for name in a.keys() & b.keys() if not torch.equal(a[name], b[name])]


def reload_state(source: nn.Module, target: nn.Module) -> None:
    """Put the state of `source` into `target`, through a file without pickled code, as checkpoints do.

    Raises Broken where torch refuses the file, as with state that is no tensor.
    """
    file = io.BytesIO()
    torch.save(source.state_dict(), file)
    file.seek(0)
    with attempt("Loading the state of a trained module into a fresh one, with weights_only=True,"):
        target.load_state_dict(torch.load(file, weights_only=True))


def same_seed_same_numbers(case: SharingCase) -> None:
    """Weights and features depend on the seed, and not on what was drawn before.

    Methods of a table start from the same weights per seed; global random state would undo the pairing.
    The global generator is set to two states, and both instances have to agree bit for bit, in their
    state when built and in the features of the last phase.
    """
    for at in case.settings:
        answers, states = [], []
        for noise in (1, 2):
            torch.manual_seed(noise)  # what a constructor might draw from by mistake
            sharing = case.build(at)
            # Cloned: `forward` below may move buffers.
            states.append({name: tensor.clone() for name, tensor in sharing.state_dict().items()})
            torch.manual_seed(0)
            answers.append(sharing(at.rows(), list_moments(sharing)[-1]))
        differences, distance = list_differences(*states), measure_gap(*answers)
        expect(
            not differences,
            f"Two instances of one seed should be equal. Found other values of {differences[:5]} on `{at.text}`; "
            "take stages from `blueprint.backbone()` and draw the rest with `blueprint.generator(name)`.",
        )
        expect(
            distance == 0,
            f"Two instances of one seed should give equal features. Found them {distance:.1g} apart on "
            f"`{at.text}`; draw with `state.generator`.",
        )


def another_seed_other_numbers(case: SharingCase) -> None:
    """The seed reaches the weights: seeds 0 and 1 give different ones.

    Without this, the rule before would hold for weights that are the same in every run. Sharings that fit
    themselves may have no weights to draw.
    """
    if case.fits_itself:
        raise Skipped("it need not draw anything.")
    for at in case.settings:
        expect(
            list_differences(case.build(at, seed=0).state_dict(), case.build(at, seed=1).state_dict()),
            f"Two seeds should give different weights. Found the same on `{at.text}`; build from the blueprint that "
            "is passed in.",
        )


def state_round_trip(case: SharingCase) -> None:
    """After a step of training, the state holds everything that the features depend on, then and in further steps.

    A run that was killed goes on from its checkpoint; what is not in the state would be lost there. The
    stored module and a fresh one of another seed have to agree bit for bit, in evaluation and in training.

    Skipped for sharings that fit themselves, which have no steps.
    """
    if case.fits_itself:
        raise Skipped("no step trains it.")
    for at in case.settings:
        # Another seed: whatever is not in the state would differ in the fresh instance.
        sharing, fresh = case.build(at), case.build(at, seed=1)
        optimiser = torch.optim.SGD(sharing.parameters(), lr=1e-3)
        for state in list_moments(sharing):
            torch.autograd.backward(compute_stand_in(sharing, at.rows(), state))
            optimiser.step()
        reload_state(sharing, fresh)
        distance = measure_gap(evaluate_features(sharing, at.rows()), evaluate_features(fresh, at.rows()))
        expect(
            distance == 0,
            f"A module should give the same features after its state was stored and loaded. Found them {distance:.1g} "
            f"apart on `{at.text}`; register tensors as parameters or buffers.",
        )
        totals = []
        for module in (sharing, fresh):  # in training mode too: what is remembered between updates shows only there
            torch.manual_seed(0)
            totals.append(float(compute_stand_in(module, at.rows(), list_moments(module)[-1]).detach()))
        expect(
            totals[0] == totals[1],
            "A module should train on alike after its state was stored and loaded, as a run does that was interrupted. "
            f"Found {totals[0]:.6g} and {totals[1]:.6g} on `{at.text}`; register what it remembers as buffers.",
        )


def evaluation_repeats(case: SharingCase) -> None:
    """In evaluation mode nothing is drawn and nothing is changed.

    Validation comes between updates: a number drawn there would move every later batch, and make
    results depend on how often a run is evaluated. Tried in two ways: with two generators the features
    agree bit for bit, and one evaluation leaves state and generator as they were.
    """
    for at, sharing in case.build_each():
        before = {name: tensor.clone() for name, tensor in sharing.state_dict().items()}
        sharing.eval()  # from here on the state has to stay as it is
        answers = []
        for noise in (1, 2):
            torch.manual_seed(noise)
            answers.append(evaluate_features(sharing, at.rows(), seed=noise))
        distance = measure_gap(*answers)
        expect(
            distance == 0,
            f"Features should repeat in evaluation mode. Found them {distance:.1g} apart on `{at.text}`; draw "
            "random numbers only where `self.training`.",
        )
        state = list_moments(sharing)[-1]
        assert state.generator is not None
        start = state.generator.get_state()
        with torch.no_grad():
            sharing(at.rows(), state)
        changed = list_differences(before, sharing.state_dict())
        expect(
            torch.equal(start, state.generator.get_state()) and not changed,
            "Evaluation should leave the module and the generator of training as they were. Found "
            f"{changed[:5] or 'numbers drawn'} changed on `{at.text}`; do so only where `self.training`.",
        )


def rows_are_independent(case: SharingCase) -> None:
    """In evaluation mode the features of a row do not depend on the rows beside it.

    Splits are evaluated in pieces; with statistics of a piece the score would depend on its size. The
    first two rows alone have to give what they give among all, within `TOLERANCE`. Training mode is free
    to use the batch.
    """
    for at, sharing in case.build_each():
        whole = {task: feature[:2] for task, feature in evaluate_features(sharing, at.rows()).items()}
        distance = measure_gap(whole, evaluate_features(sharing, at.rows(2)))
        expect(
            distance < TOLERANCE,  # not 0: products of fewer rows may be summed in another order
            f"The features of a row should not depend on the other rows in evaluation mode. Found them {distance:.1g} "
            f"apart on `{at.text}`; use running statistics, or none of the batch.",
        )


def some_of_the_tasks(case: SharingCase) -> None:
    """Handed the inputs of some tasks, `forward` answers those, as it does beside the others.

    Tasks with inputs of their own are evaluated one by one, since their splits differ in size. Each task
    is asked alone, and compared with its features among all, within `TOLERANCE`.
    """
    for at in case.list_shared():
        sharing = case.build(at)
        inputs = at.rows()
        whole = evaluate_features(sharing, inputs)
        for task, x in inputs.items():
            with attempt(f"`forward` with the inputs of `{task}` alone on `{at.text}`"):
                alone = evaluate_features(sharing, {task: x})
            expect(
                list(alone) == [task],
                f"`forward` should answer the tasks of its inputs. Found {list(alone)} for the inputs of `{task}` on "
                f"`{at.text}`; go through `group_by_input(inputs)`.",
            )
            distance = measure_gap({task: whole[task]}, alone)
            expect(
                distance < TOLERANCE,
                f"The features of `{task}` should be the same beside other tasks and alone: evaluation reads tasks "
                f"with inputs of their own one by one. Found them {distance:.1g} apart on `{at.text}`; compute them "
                "from that task's input.",
            )


def no_access_to_targets(case: SharingCase) -> None:
    """Features are a function of the inputs and the moment of training; data stays unread.

    `forward` takes two arguments, and a suite whose `dataset` raises has to do. That catches mistakes,
    not malice: submissions are confined as well.
    """
    names = list(inspect.signature(case.entry.cls.forward).parameters)[1:]  # type: ignore[attr-defined]  # not `self`
    expect(
        len(names) == 2,
        f"`forward` should take the inputs and the state. Found {names}; targets belong to the losses.",
    )

    class Unread(Suite):
        def dataset(self, split: Split, seed: int) -> Dataset:
            raise Broken(
                "A sharing should not read the suite's data. Found a call of `suite.dataset`; features are a function "
                "of the inputs that `forward` is given."
            )

    for at in case.settings:
        _, suite = parse_suite(at.text)  # a fresh one, which has no rows in store
        evaluate_features(case.build(at, suite=derive_suite(suite, Unread)), at.rows())


def memory_format(case: SharingCase) -> None:
    """Images with their channels last in memory give the same features.

    Protocols may choose that layout for speed, and results should not follow it. Skipped where no suite
    with images is supported.
    """
    images = [at for at in case.settings if any(x.dim() == 4 for x in at.inputs.values())]
    if not images:
        raise Skipped("every suite with images is refused.")
    for at in images:
        sharing = case.build(at)
        plain = evaluate_features(sharing, at.rows())
        # By input: tasks that look at one image go on holding the same tensor.
        turned = [(x.contiguous(memory_format=torch.channels_last), tasks) for x, tasks in group_by_input(at.rows())]
        with attempt(f"Moving the module and the images of `{at.text}` to channels last"):
            lay_out(sharing, torch.channels_last)
            distance = measure_gap(
                plain, evaluate_features(sharing, {task: x for x, tasks in turned for task in tasks})
            )
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
