"""Cheap scores of pairs of tasks: what others look at instead of measuring, to be held against what was measured."""

import math
from itertools import permutations

import numpy as np
import torch

from bench.catalogue.method import Method
from bench.core.missing import find_labelled_rows
from bench.errors import UsageError
from bench.execution.ask.inquiry import Inquiry
from bench.planning.question import ALONE
from bench.records import ResultRecord
from leaderboard.ask.grouping import Pair

BINS = 10  # of a number, by quantiles, where it is held against a class


def score_pairs(inquiry: Inquiry) -> dict[str, dict[Pair, float]]:
    """Name -> (main, extra) -> score, higher where the extra task should help more; scores that there are.

    Lookahead affinity and gradient cosines are of the first method. The cosines, and what methods learned about tasks,
    are those of the runs that were made anyway, after training.
    """
    found = {
        "lookahead affinity (TAG)": score_affinity(inquiry),
        "gradient cosine after training": score_cosines(inquiry),
        "features learnt apart (CKA)": score_features(inquiry),
        "label statistic": score_labels(inquiry),
        **{f"learned by {method}": score_learned(inquiry, method) for method in inquiry.question.methods},
    }
    return {name: scores for name, scores in found.items() if scores}


def score_affinity(inquiry: Inquiry) -> dict[Pair, float]:
    """The affinity of Fifty et al. (2021), from one short training of all tasks at the protocol's rate."""
    from bench.training.affinity import measure_affinity

    question = inquiry.question
    spec = question.spec(question.methods[0], 0)
    if Method.parse(spec.method).is_full_batch(spec.protocol):
        return {}
    try:
        affinity = measure_affinity(spec, question.data_dir)
    except (UsageError, ArithmeticError):  # a cheap score is no reason to be without an answer
        return {}
    return {} if affinity is None else _name_cells(inquiry, affinity.numpy(), list(question.tasks))


def score_cosines(inquiry: Inquiry) -> dict[Pair, float]:
    """The mean over runs of the cosines of task gradients, of the first method on all tasks."""
    question, sums, tasks = inquiry.question, [], None
    for seed in range(inquiry.rules.looks.seeds[0]):
        spec = inquiry.plan_together(inquiry.relations[0], seed)
        record: ResultRecord | None = inquiry.book.records.get(spec.run_id)
        if record and record.cosines and sorted(record.tasks) == sorted(question.tasks):
            sums.append(record.cosines.unpack())
            tasks = record.tasks
    return _name_cells(inquiry, np.mean(sums, axis=0), tasks) if tasks else {}


def score_features(inquiry: Inquiry) -> dict[Pair, float]:
    """How alike the features are that tasks learn apart, from one short training at the protocol's rate."""
    from bench.training.similarity import measure_similarity

    question = inquiry.question
    spec = question.spec(ALONE, 0)
    if spec.protocol.fit != "descent":
        return {}
    try:
        similarity = measure_similarity(spec, question.data_dir)
    except (UsageError, ArithmeticError, RuntimeError):  # towers of one task may not take another's rows
        return {}
    return _name_cells(inquiry, similarity.numpy(), list(question.tasks))


def score_learned(inquiry: Inquiry, method: str) -> dict[Pair, float]:
    """What a method learned about tasks (stitch units, gates, Omega): the mean of its T x T matrices over its runs.

    The row of a task has what it takes from the others.
    """
    question, found, tasks = inquiry.question, list[np.ndarray](), None
    relation = next(each for each in inquiry.relations if each.method == method)
    for seed in range(inquiry.rules.looks.seeds[0]):
        record = inquiry.book.records.get(inquiry.plan_together(relation, seed).run_id)
        if record and sorted(record.tasks) == sorted(question.tasks):
            matrices = [packed.unpack() for packed in record.matrices.values()]
            found += [m for m in matrices if m.shape == (len(record.tasks),) * 2]
            tasks = record.tasks
    return _name_cells(inquiry, np.mean(found, axis=0), tasks) if found and tasks else {}


def score_labels(inquiry: Inquiry) -> dict[Pair, float]:
    """|Spearman's correlation| of the training labels of two numbers, else normalised mutual information.

    Of tasks on the same rows, over those with both labels; tasks with rows of their own have none.
    """
    rows = inquiry.question.suite.dataset("train", 0)
    scores: dict[Pair, float] = {}
    if rows.transform is not None:
        return {}
    for main in inquiry.question.mains:
        for extra in inquiry.question.tasks:
            one, other = rows.targets[main], rows.targets[extra]
            alike = rows.inputs[main] is rows.inputs[extra] and one[0].numel() == other[0].numel() == 1
            if extra != main and alike:
                scores[main, extra] = compare_labels(one, other)
    return scores


def compare_labels(one: torch.Tensor, other: torch.Tensor) -> float:
    """The statistic of two targets (n,) or (n, 1) on the same rows; NaN where fewer than three rows have both."""
    from scipy.stats import spearmanr
    from sklearn.metrics import normalized_mutual_info_score

    both = find_labelled_rows(one) & find_labelled_rows(other)
    if int(both.sum()) < 3:
        return math.nan
    a, b = one[both].flatten().numpy(), other[both].flatten().numpy()
    if one.is_floating_point() and other.is_floating_point():
        return abs(float(spearmanr(a, b).statistic)) if np.ptp(a) > 0 and np.ptp(b) > 0 else math.nan
    return float(normalized_mutual_info_score(_sort_into_bins(a), _sort_into_bins(b)))


def _sort_into_bins(values: np.ndarray) -> np.ndarray:
    """Classes as they are; numbers as the decile that they lie in."""
    if values.dtype.kind in "iu":
        return values
    edges = np.unique(np.quantile(values, np.arange(1, BINS) / BINS))
    return np.searchsorted(edges, values)


def _name_cells(inquiry: Inquiry, matrix: np.ndarray, tasks: list[str]) -> dict[Pair, float]:
    """(main, extra) -> the entry of the main task's row and the extra one's column."""
    at = {task: place for place, task in enumerate(tasks)}
    pairs = permutations(tasks, 2)
    return {(m, e): float(matrix[at[m], at[e]]) for m, e in pairs if m in inquiry.question.mains}
