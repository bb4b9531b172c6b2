"""The kind of metrics of sets of labels, over all binary tasks of a row at once.

numpy only, as `bench.scores`, which registers it.
"""

import numpy as np

from bench.kinds import Kind, Metric, State
from bench.stored_statistics import MAX_COUNT, read_count, read_sum

COUNTED = ("truth", "predicted", "correct")


def _read_label_counts(state: State) -> tuple[np.ndarray, int]:
    """(3, T) int64 of `truth`, `predicted` and `correct`, and the number of rows.

    Raises ValueError for anything but three lists of one length of whole numbers, for a label that is more often there
    than there are rows, and for more that is correct, or less that is wrong, than can be.
    """
    rows, lists = read_count(state, "rows"), [state[key] for key in COUNTED]
    whole = all(isinstance(values, list) and values and {type(v) for v in values} == {int} for values in lists)
    if not whole or len({len(values) for values in lists}) != 1 or min(map(min, lists)) < 0:
        raise ValueError("`truth`, `predicted` and `correct` should be lists of counts, one for each label.")
    if max(map(max, lists)) > rows or rows * len(lists[0]) > MAX_COUNT:
        raise ValueError("`truth`, `predicted` and `correct` should count at most `rows` rows of each label.")
    counts = np.asarray(lists, dtype=np.int64)
    truth, predicted, correct = counts
    if (correct > np.minimum(truth, predicted)).any() or (truth + predicted - correct > rows).any():
        raise ValueError("`correct` should be rows that are among `truth` and `predicted` of the same label.")
    return counts, rows


def _count_wrong(counts: np.ndarray) -> int:
    """Labels that are wrong, over all rows."""
    truth, predicted, correct = counts
    return int((truth + predicted - 2 * correct).sum())


def _score_labels(state: State) -> dict[str, float]:
    """The metrics of labels in per cent, over n rows of T labels.

    accuracy = 1 - Hamming loss, the share of the n T labels that are right. f1_t = 2 correct_t / (truth_t +
    predicted_t) of label t, 0 where the denominator is 0: macro_f1 is their mean over labels, micro_f1 that ratio of
    the sums over labels. subset_accuracy is the share of rows with every label right. ranking_loss is the mean over
    rows of the share of pairs, of a label that is there and one that is not, which are not ranked in this order; 0
    where a row has no such pair.
    """
    counts, rows = _read_label_counts(state)
    truth, predicted, correct = counts
    exact, ranked, wrong = state["exact"], read_sum(state, "ranking"), _count_wrong(counts)
    if not isinstance(exact, int) or isinstance(exact, bool) or not 0 <= exact <= rows:
        raise ValueError("`exact` should be a whole number of rows, at most `rows`.")
    if not rows - exact <= wrong <= (rows - exact) * len(truth):
        raise ValueError("`exact` should leave as many rows as the wrong labels lie in.")
    if ranked > rows * (1 + 1e-9):
        raise ValueError("`ranking` should be a sum of shares, at most `rows`.")
    both = np.maximum(truth + predicted, 1)  # where a label is nowhere, 0 / 1
    return {
        "accuracy": 100.0 * (1 - wrong / (rows * len(truth))),
        "macro_f1": 100.0 * float((2 * correct / both).mean()),
        "micro_f1": 100.0 * 2 * int(correct.sum()) / max(1, int((truth + predicted).sum())),
        "ranking_loss": 100.0 * min(1.0, ranked / rows),
        "subset_accuracy": 100.0 * exact / rows,
    }


def _bound_hamming_loss(state: State) -> float:
    """Wrong labels over all labels, at least half a label so that its logarithm exists."""
    counts, rows = _read_label_counts(state)
    return max(_count_wrong(counts), 0.5) / (rows * len(state["truth"]))


# {"rows": n, "truth", "predicted", "correct": [rows with label t], "exact": rows with every label right, "ranking": sum
# over rows of the share of pairs ranked wrongly}; error 1 - accuracy, the Hamming loss
MULTILABEL = Kind(
    metrics=(
        Metric("accuracy", True, "%", high=100.0),
        Metric("macro_f1", True, "%", high=100.0),
        Metric("micro_f1", True, "%", high=100.0),
        Metric("ranking_loss", False, "%", high=100.0),
        Metric("subset_accuracy", True, "%", high=100.0),
    ),
    compute=_score_labels,
    error=_bound_hamming_loss,
    rows=lambda state: int(state["rows"]),
    keys={"rows", "exact", "ranking", *COUNTED},
    truth=lambda state: [state["rows"], *state["truth"]],
    error_of=lambda scores: 1 - scores["accuracy"] / 100,
)
