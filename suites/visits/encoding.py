"""Patients of a longitudinal table as arrays: scores at scheduled months, and features as columns of numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.errors import UsageError
from suites.visits.reading import FeatureValue, VisitTable

LEAST = 20  # patients with a score at a month, or there is nothing to divide


@dataclass(frozen=True)
class PatientArrays:
    """What a suite needs of a table.

    columns: names of the inputs. inputs: (n, d), NaN where missing. scores: (n, T) at the months asked for, NaN where
    missing.
    """

    columns: tuple[str, ...]
    inputs: np.ndarray
    scores: np.ndarray


def encode_patients(table: VisitTable, months: Sequence[float]) -> PatientArrays:
    """Scores at the scheduled `months`, and the columns of the features at month 0.

    A visit belongs to the scheduled month that is nearest, no further than half of the way to the next one (behind the
    last, half of the last step); of several the nearest counts, of two as near the earlier. A number is one column,
    with another one that says where it is missing, if it is for some patient; of a feature of texts every text but the
    commonest is a column, and so is missing. Columns that do not vary are left out. Where month 0 is not scheduled the
    score at month 0 is a feature.

    Raises UsageError, in one sentence with the file, where a month has too few scores, or no feature is left.
    """
    patients = list(table.patients.values())
    schedule = np.array(months)
    scores = np.array([_schedule_scores(patient.scores, schedule) for patient in patients])
    labelled = (~np.isnan(scores)).sum(axis=0)
    for month, count in zip(months, labelled, strict=True):
        if count < LEAST:
            raise UsageError(
                f"`{table.file}` should have scores of {LEAST} patients or more around month {month:g}. Found "
                f"{count}; give other months, as `visits:months=0/12`."
            )
    features = list(table.features)
    rows: list[list[FeatureValue]] = [patient.features for patient in patients]
    if 0 not in months:
        features.append("score")
        rows = [
            [*row, None if math.isnan(p.scores[0.0]) else p.scores[0.0]] for row, p in zip(rows, patients, strict=True)
        ]
    columns: dict[str, np.ndarray] = {}
    for place, name in enumerate(features):
        columns |= _encode_feature(name, [row[place] for row in rows])
    varied = {name: values for name, values in columns.items() if _varies(values)}
    if not varied:
        raise UsageError(f"`{table.file}` should have a feature that varies at month 0. Found none.")
    inputs = np.stack(list(varied.values()), axis=1)
    return PatientArrays(tuple(varied), inputs, scores)


def _schedule_scores(scores: dict[float, float], schedule: np.ndarray) -> list[float]:
    """The score at each scheduled month of one patient, NaN where there is none."""
    halves = np.diff(schedule) / 2
    before, behind = np.append(np.inf, halves), np.append(halves, halves[-1])
    before[0] = behind[0]
    found = []
    # Where month 0 is not scheduled its score is a feature, and no label of a later month.
    seen = np.array([m for m, score in scores.items() if not math.isnan(score) and (m > 0 or 0 in schedule)])
    for month, left, right in zip(schedule, before, behind, strict=True):
        near = seen[(seen >= month - left) & (seen < month + right)]
        found.append(scores[float(near[np.abs(near - month).argmin()])] if len(near) else math.nan)
    return found


def _encode_feature(name: str, values: Sequence[FeatureValue]) -> dict[str, np.ndarray]:
    """Name -> column (n,) of one feature, NaN where a number is missing."""
    absent = np.array([value is None for value in values])
    if any(isinstance(value, str) for value in values):
        texts = [value for value in values if isinstance(value, str)]
        levels = sorted(set(texts), key=lambda text: (-texts.count(text), text))[1:]  # the commonest is the rest
        columns = {f"{name}={text}": np.array([float(value == text) for value in values]) for text in levels}
    else:
        columns = {name: np.array([math.nan if value is None else value for value in values], dtype=float)}
    return columns | ({f"{name} missing": absent.astype(float)} if absent.any() else {})


def _varies(column: np.ndarray) -> bool:
    """Whether there are two different numbers."""
    known = column[~np.isnan(column)]
    return len(known) > 0 and bool((known != known[0]).any())
