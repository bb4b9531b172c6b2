"""Rows of the generated tasks: sentences of its own for every task, as tensors."""

from dataclasses import dataclass

import numpy as np
import torch

from bench.api import Dataset, derive_seed
from suites.tagging.generate import LONGEST, TAG_SETS, TASKS, UPPER, Language, Sentences
from suites.tagging.lexicon import SUFFIXES

TEXT = 4  # times as many sentences without labels as a task has with them
Stream = tuple[str | int, ...]  # names a split, or what else rows are drawn for


@dataclass(frozen=True)
class Source:
    """Where the rows of a run come from.

    language: the generated language.
    control: whether there is a task whose tags follow from nothing but the word.
    text: whether there is a task that ranks words of text without labels.
    reach: places to either side of a word that say whether it is ranked beside a false one.
    """

    language: Language
    control: bool
    text: bool
    reach: int

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many words, endings and first letters there are, with 0 for no word."""
        return self.language.dictionary, len(SUFFIXES) + 1, UPPER + 1

    def draw_sentences(self, task: str, stream: Stream, rows: int) -> Sentences:
        """The sentences of a task in a split."""
        return self.language.draw((*stream, task), rows)

    def draw(self, stream: Stream, rows: int) -> Dataset:
        """task -> inputs (n, 3, L) float32 and targets (n, L) int64, -1 behind the end of a sentence.

        rows: sentences of each task; of text, for a task that reads it, TEXT times as many.
        """
        inputs, targets = {}, {}
        for task in self.tasks:
            sentences = self.draw_sentences(task, stream, rows * (TEXT if task == "language" else 1))
            if task == "language":
                seen, tags = self._replace_words(sentences, stream)
            else:
                seen = self.language.encode(sentences, task)
                tags = self._tag(sentences, task, seen)
            scaled = seen / np.array(self.sizes)[:, None]
            inputs[task], targets[task] = torch.from_numpy(scaled).float(), torch.from_numpy(tags).long()
        return Dataset(inputs, targets)

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks, in order."""
        return [*TASKS, *["control"] * self.control, *["language"] * self.text]

    def count_rows(self, rows: int) -> int:
        """Rows over all tasks, where each has `rows` sentences with labels."""
        return rows * (len(self.tasks) + (TEXT - 1) * self.text)

    def _tag(self, sentences: Sentences, task: str, seen: np.ndarray) -> np.ndarray:
        """Numbers of tags (n, L)."""
        if task in TAG_SETS:
            return sentences.read_tags(task)
        return np.where(seen[:, 0] > 0, self.language.draw_control(task)[seen[:, 0]], -1)

    def _replace_words(self, sentences: Sentences, stream: Stream) -> tuple[np.ndarray, np.ndarray]:
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
