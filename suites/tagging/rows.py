"""Rows of the generated tasks: sentences of its own for every task, as tensors."""

import itertools
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch

from bench.api import Dataset, derive_seed
from suites.tagging.generate import LONGEST, TAG_SETS, TAG_TASKS, UPPER, Language, Sentences
from suites.tagging.lexicon import SUFFIXES

TEXT = 4  # times as many sentences without labels as a task has with them
StreamName = tuple[str | int, ...]  # names a split, or what else rows are drawn for


IN_ORDER = ("train", "val", "test")


@dataclass(frozen=True)
class TaskSource:
    """Where the rows of a run come from.

    language: the generated language.
    control: whether there is a task whose tags follow from nothing but the word.
    text: whether there is a task that ranks words of text without labels.
    reach: places to either side of a word that say whether it is ranked beside a false one.
    rows: sentences of each task in training, validation and test; of text, TEXT times as many.
    """

    language: Language
    control: bool
    text: bool
    reach: int
    rows: tuple[int, int, int]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many words, endings and first letters there are, with 0 for no word."""
        return self.language.dictionary, len(SUFFIXES) + 1, UPPER + 1

    def draw(self, stream: StreamName) -> Dataset:
        """task -> inputs (n, 3, L) float32 and targets (n, L) int64, -1 behind the end of a sentence.

        Targets of `language` are (n, 1, L), as its scores.

        stream: `("train",)` and so on, or what else rows are drawn for.
        """
        inputs, targets = {}, {}
        for task in self.tasks:
            sentences = draw_sentences(self, task, stream)
            if task == "language":
                seen, tags = self._replace_words(sentences, stream)
                tags = tags[:, None]
            else:
                seen = self.language.encode(sentences, task)
                tags = self._tag(sentences, task, seen)
            scaled = seen / np.array(self.sizes)[:, None]
            inputs[task], targets[task] = torch.from_numpy(scaled).float(), torch.from_numpy(tags).long()
        return Dataset(inputs, targets)

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks, in order."""
        return [*TAG_TASKS, *["control"] * self.control, *["language"] * self.text]

    def count_rows(self, rows: int) -> int:
        """Rows over all tasks, where each has `rows` sentences with labels, of which text has more."""
        return rows * (len(self.tasks) + (TEXT - 1) * self.text)

    def _tag(self, sentences: Sentences, task: str, seen: np.ndarray) -> np.ndarray:
        """Numbers of tags (n, L)."""
        if task in TAG_SETS:
            return sentences.read_tags(task)
        return np.where(seen[:, 0] > 0, self.language.draw_control(task)[seen[:, 0]], -1)

    def _replace_words(self, sentences: Sentences, stream: StreamName) -> tuple[np.ndarray, np.ndarray]:
        """Sentences with one word replaced by another of the dictionary, and which words are ranked.

        A target is 0 at that word, 1 where a word has none of the false one within `reach`, and -1 elsewhere.
        """
        generator = np.random.Generator(np.random.PCG64(derive_seed("tagging", self.language.seed, "text", *stream)))
        lengths, rows = (sentences.words >= 0).sum(axis=1), np.arange(len(sentences.words))
        at = (generator.random(len(rows)) * lengths).astype(int)
        words, count = sentences.words.copy(), len(self.language.lexicon.words)
        # A step of 1 to V - 1 round the list: never the word itself.
        words[rows, at] = (words[rows, at] + generator.integers(1, count, size=len(rows))) % count
        targets = np.where(words >= 0, 1, -1)
        targets[np.abs(np.arange(LONGEST) - at[:, None]) <= self.reach] = -1
        targets[rows, at] = 0
        changed = Sentences(sentences.derivation, words, sentences.upper)
        return self.language.encode(changed, "language"), targets


@cache
def draw_sentences(source: TaskSource, task: str, stream: StreamName) -> Sentences:
    """The sentences of a task in a split: none that looks as one of a split before it, of any task.

    Short sentences come again by chance. What is left out depends on nothing but what is seen of a sentence, so that
    posteriors given the words are as they were.
    """
    before = IN_ORDER[: IN_ORDER.index(stream[0])] if stream[0] in IN_ORDER else IN_ORDER  # type: ignore[arg-type]
    known: set[bytes] = set()
    for split, other in itertools.product(before, {*TAG_TASKS, task}):
        known.update(_list_looks(source, draw_sentences(source, other, (split,))))
    rows = source.rows[IN_ORDER.index(stream[0])] if stream[0] in IN_ORDER else source.rows[2]  # type: ignore[arg-type]
    rows *= TEXT if task == "language" else 1
    drawn = source.language.draw((*stream, task), rows + rows // 5 + 50)
    fresh = [at for at, look in enumerate(_list_looks(source, drawn)) if look not in known][:rows]
    return Sentences(drawn.derivation[fresh], drawn.words[fresh], drawn.upper[fresh])


def _list_looks(source: TaskSource, sentences: Sentences) -> list[bytes]:
    """What is seen of each sentence, in one form for all tasks."""
    forms = np.where(sentences.words >= 0, source.language.lexicon.forms[sentences.words] * 2 + sentences.upper, -1)
    return [row.tobytes() for row in forms]
