"""Selection: which epoch each rule keeps, on hand-made sequences of validation errors."""

import pytest

from bench.training.select import Selector

# Two tasks over four epochs. The sum of logarithms is least in epoch 3 (.2 x .3 = .06), the sum of errors in epoch 2.
LEFT = [0.5, 0.1, 0.2, 0.4]
RIGHT = [0.9, 0.7, 0.3, 0.2]
ERRORS = [{"left": left, "right": right} for left, right in zip(LEFT, RIGHT, strict=True)]


def offered(errors: list[dict[str, float] | None], separate: bool = False) -> tuple[Selector, list[int]]:
    """A selector after all epochs, and the epochs whose weights it asked for."""
    selector, copied = Selector(["left", "right"], separate), []
    for epoch, values in enumerate(errors, start=1):

        def snapshot(epoch: int = epoch) -> dict[str, int]:
            copied.append(epoch)
            return {"epoch": epoch}

        selector.offer(epoch, values, snapshot)
    return selector, copied


def test_a_joint_model_keeps_the_least_sum_of_logarithms() -> None:
    errors = [{"left": a, "right": b} for a, b in ((0.5, 0.5), (0.01, 0.9), (0.3, 0.3))]
    selector, _ = offered(errors)  # products .25, .009, .09; sums 1, .91, .6
    assert selector.choose_epochs()["val"] == {"left": 2, "right": 2}


def test_rules_of_a_joint_model() -> None:
    selector, _ = offered(ERRORS)
    assert selector.choose_epochs() == {
        "val": {"left": 3, "right": 3},
        "per_task": {"left": 2, "right": 4},
        "last": {"left": 4, "right": 4},
    }


def test_separate_models_keep_their_own_best() -> None:
    selector, _ = offered(ERRORS, separate=True)
    assert selector.choose_epochs() == {
        "val": {"left": 2, "right": 4},
        "per_task": {"left": 2, "right": 4},
        "last": {"left": 4, "right": 4},
    }


@pytest.mark.parametrize("separate", [False, True])
def test_the_first_of_equal_epochs_wins(separate: bool) -> None:
    best = {"left": 0.25, "right": 0.5}
    selector, _ = offered([{"left": 0.5, "right": 0.5}, best, best, dict(best)], separate)
    chosen = selector.choose_epochs()
    assert chosen["val"] == ({"left": 2, "right": 1} if separate else {"left": 2, "right": 2})
    assert chosen["per_task"] == {"left": 2, "right": 1}
    assert chosen["last"] == {"left": 4, "right": 4}


def test_tasks_count_alike_whatever_their_units() -> None:
    """Errors of one task times a constant leave every choice as it is."""
    scaled = [{"left": 1000 * e["left"], "right": e["right"]} for e in ERRORS]
    assert offered(scaled)[0].choose_epochs() == offered(ERRORS)[0].choose_epochs()


def test_without_validation_only_the_last_epoch_is_kept() -> None:
    selector, _ = offered([None, None, None])
    assert selector.choose_epochs() == {"last": {"left": 3, "right": 3}}
    assert selector.snapshot(3) == {"epoch": 3}
    with pytest.raises(KeyError):
        selector.snapshot(1)


@pytest.mark.parametrize("separate", [False, True])
def test_weights_are_there_for_every_choice_and_for_no_other_epoch(separate: bool) -> None:
    for stop in range(1, len(ERRORS) + 1):
        selector, copied = offered(list(ERRORS[:stop]), separate)
        wanted = {epoch for tasks in selector.choose_epochs().values() for epoch in tasks.values()}
        assert {epoch for epoch in copied if epoch in wanted} == wanted
        assert all(selector.snapshot(epoch) == {"epoch": epoch} for epoch in wanted)
        if not separate:
            for epoch in set(range(1, stop + 1)) - wanted:
                with pytest.raises(KeyError):
                    selector.snapshot(epoch)
