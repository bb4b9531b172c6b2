"""Kinds of metrics for tagged text, tokens and spans; numpy only, as `bench.scores`, which registers them.

Both have one form of statistics, counts for each of K labels: how often it is in the truth, how often it was
predicted, and how often both at once. Counts and not a confusion matrix: tag sets of hundreds would fill a record.
"""

import numpy as np

from bench.kinds import Kind, Metric, State
from bench.stored_statistics import MAX_COUNT

KEYS = ("truth", "predicted", "correct")


def _read_counts(state: State) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """truth, predicted and correct, int64 (K,) each.

    Raises ValueError for anything but lists of one length of whole numbers >= 0, a sum beyond 2^53, or more that is
    correct than is true or was predicted.
    """
    lists = [state[key] for key in KEYS]
    whole = all(isinstance(values, list) and values and {type(v) for v in values} == {int} for values in lists)
    if not whole or len({len(values) for values in lists}) != 1 or min(map(min, lists)) < 0:
        raise ValueError("`truth`, `predicted` and `correct` should be lists of counts, one for each label.")
    if max(map(sum, lists)) > MAX_COUNT:
        raise ValueError("`truth`, `predicted` and `correct` should count at most 2^53.")
    truth, predicted, correct = (np.asarray(values, dtype=np.int64) for values in lists)
    if (correct > np.minimum(truth, predicted)).any():
        raise ValueError("`correct` should be at most `truth` and `predicted` of the same label.")
    return truth, predicted, correct


def _read_tokens(state: State) -> tuple[int, int]:
    """How many tokens there are, at least 1, and how many are right; every token has one tag in either."""
    truth, predicted, correct = _read_counts(state)
    if truth.sum() != predicted.sum() or not truth.sum():
        raise ValueError("`truth` and `predicted` should count the same tokens, at least one.")
    return int(truth.sum()), int(correct.sum())


def _score_tokens(state: State) -> dict[str, float]:
    """100 correct / truth, over all labels, in per cent."""
    total, right = _read_tokens(state)
    return {"accuracy": 100.0 * right / total}


def _bound_token_error(state: State) -> float:
    """1 - accuracy, at least half a token so that its logarithm exists."""
    total, right = _read_tokens(state)
    return max(total - right, 0.5) / total


def _share(part: int, whole: int) -> float:
    """part / whole in per cent; 0 where there is nothing, as conlleval has it."""
    return 100.0 * part / whole if whole else 0.0


def _score_spans(state: State) -> dict[str, float]:
    """F1 = 2 correct / (truth + predicted), precision = correct / predicted, recall = correct / truth, in per cent.

    Counts are summed over the labels before they are divided; an empty denominator gives 0.
    """
    truth, predicted, correct = (int(counts.sum()) for counts in _read_counts(state))
    return {
        "f1": _share(2 * correct, truth + predicted),
        "precision": _share(correct, predicted),
        "recall": _share(correct, truth),
    }


def _bound_span_error(state: State) -> float:
    """1 - F1, at least what half a wrong span would leave, so that its logarithm exists."""
    truth, predicted, _ = _read_counts(state)
    return max(1 - _score_spans(state)["f1"] / 100, 0.5 / max(1, int(truth.sum() + predicted.sum())))


# {"truth", "predicted", "correct": [count of tokens with label k]}; accuracy = sum correct / sum truth
TOKENS = Kind(
    metrics=(Metric("accuracy", True, "%", high=100.0),),
    compute=_score_tokens,
    error=_bound_token_error,
    keys=set(KEYS),
    truth=lambda state: list(state["truth"]),
    error_of=lambda scores: 1 - scores["accuracy"] / 100,
)
# {"truth", "predicted", "correct": [count of spans of type k]}; f1 = 2 sum correct / (sum truth + sum predicted)
SPANS = Kind(
    metrics=(
        Metric("f1", True, "%", high=100.0),
        Metric("precision", True, "%", high=100.0),
        Metric("recall", True, "%", high=100.0),
    ),
    compute=_score_spans,
    error=_bound_span_error,
    keys=set(KEYS),
    truth=lambda state: list(state["truth"]),
    error_of=lambda scores: 1 - scores["f1"] / 100,
)
