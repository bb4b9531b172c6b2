"""From the sentences of corpora to arrays: numbers of words, endings, letters and tags."""

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.api import UsageError
from suites._shared.tagging.tags import TagSet
from suites.corpus.columns import group_by_words
from suites.corpus.description import CORPUS_SPLITS, CorpusPart, PreparedTask
from suites.corpus.sentences import Sentence

WORDS, LEAST = 20_000, 2  # the dictionary: so many words at most, each so often at least in training
ENDINGS, LEAST_ENDING, LETTERS = 1000, 5, 3  # likewise, endings of so many letters
KINDS = 5  # of spelling: lower case, a capital, capitals, with a digit, anything else; from 1 on
REACH = 10  # distances to the predicate that differ, to either side; from 1 on
ROLES = "srl"


@dataclass(frozen=True)
class Group:
    """Sentences with tags of some tasks.

    splits: split -> sentences.
    tasks: name -> column of tags, and whether it has spans.
    """

    splits: dict[str, list[Sentence]]
    tasks: dict[str, tuple[str, bool]]


def make_groups(parts: Sequence[CorpusPart], read: Sequence[dict[str, list[Sentence]]]) -> list[Group]:
    """The sentences of every corpus, and apart from them one for each predicate where roles are learnt."""
    many, several = len(parts) > 1, any(len(part.tasks) > 1 for part in parts)
    groups = []
    for part, splits in zip(parts, read, strict=True):
        names = {task: _name_task(part.name or "", task, many, several) for task in part.tasks}
        spans = part.layout.spans
        plain = {names[task]: (task, task in spans) for task in part.tasks if task != ROLES}
        if plain:
            # Which word is a predicate is not told: it would say that the word is a verb.
            once = {
                split: [replace(group[0], predicate=-1) for group in group_by_words(each)]
                for split, each in splits.items()
            }
            groups.append(Group(once, plain))
        if ROLES in part.tasks:
            told = {split: [each for each in all_of if each.predicate >= 0] for split, all_of in splits.items()}
            if not all(told.values()):
                raise UsageError(
                    "Every part of a corpus should have a predicate where `srl` is learnt. Found none in one."
                )
            groups.append(Group(told, {names[ROLES]: (ROLES, True)}))
    return groups


def _name_task(corpus: str, task: str, many: bool, several: bool) -> str:
    """The column, the corpus, or both, whichever tells tasks apart."""
    return f"{corpus}_{task}" if many and several else corpus if many else task


@dataclass(frozen=True)
class Numbers:
    """Which number a word and an ending have; 0 is none, and 1 one that training has too seldom."""

    words: dict[str, int]
    endings: dict[str, int]

    @classmethod
    def count(cls, sentences: Iterable[Sentence]) -> "Numbers":
        """Of training sentences: the most frequent, those of one frequency by name."""
        words = Counter(word.lower() for sentence in sentences for word in sentence.words)
        endings: Counter[str] = Counter()
        for word, often in words.items():
            endings[word[-LETTERS:]] += often

        def choose(counts: Counter[str], most: int, least: int) -> dict[str, int]:
            ranked = sorted((-often, each) for each, often in counts.items() if often >= least)[:most]
            return {each: number for number, (_, each) in enumerate(ranked, 2)}

        return cls(choose(words, WORDS, LEAST), choose(endings, ENDINGS, LEAST_ENDING))

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many words, endings and kinds of spelling there are."""
        return len(self.words) + 2, len(self.endings) + 2, KINDS + 1

    def encode(self, sentence: Sentence, roles: bool) -> list[list[int]]:
        """(K, L) numbers of words, endings, spellings, and with `roles` distances to a predicate, 0 without one."""
        lower = [word.lower() for word in sentence.words]
        rows = [
            [self.words.get(word, 1) for word in lower],
            [self.endings.get(word[-LETTERS:], 1) for word in lower],
            [number_spelling(word) for word in sentence.words],
        ]
        if roles:
            at = sentence.predicate
            rows.append([0 if at < 0 else max(-REACH, min(REACH, i - at)) + REACH + 1 for i in range(len(lower))])
        return rows


def number_spelling(word: str) -> int:
    """1 lower case, 2 a capital first, 3 capitals alone, 4 with a digit, 5 anything else."""
    if any(letter.isdigit() for letter in word):
        return 4
    if word.isupper() and len(word) > 1:
        return 3
    return 2 if word[:1].isupper() else 1 if word.islower() else 5


def find_labels(group: Group, column: str, spans: bool) -> tuple[str, ...]:
    """The tags of a column, or the types of its spans, sorted; over all splits, since training may lack some."""
    found = {tag for each in group.splits.values() for sentence in each for tag in sentence.tags[column]}
    return tuple(sorted({tag[2:] for tag in found - {"O"}} if spans else found))


def make_arrays(groups: Sequence[Group]) -> tuple[dict[str, np.ndarray], list[PreparedTask], tuple[int, ...]]:
    """Arrays by name, tasks, and how many numbers there are of each kind.

    `G.SPLIT.sizes` are the words of each sentence of group G, `G.SPLIT.seen` (K, N) what is seen of the words, and
    `SPLIT.TASK` (N,) tags.

    Raises UsageError where a task has one tag only, or no span.
    """
    numbers = Numbers.count(sentence for group in groups for sentence in group.splits["train"])
    roles = any(column == ROLES for group in groups for column, _ in group.tasks.values())
    arrays: dict[str, np.ndarray] = {}
    tasks = []
    for number, group in enumerate(groups):
        sets = {name: TagSet(find_labels(group, *said), said[1]) for name, said in group.tasks.items()}
        for name, tag_set in sets.items():
            if len(tag_set.tags) < 2:
                raise UsageError(f"`{name}` should have two tags at least. Found {', '.join(tag_set.tags)} alone.")
            tasks.append(PreparedTask(name=name, group=number, labels=tag_set.labels, spans=tag_set.spans))
        for split in CORPUS_SPLITS:
            sentences = group.splits[split]
            arrays[f"{number}.{split}.sizes"] = np.array([len(sentence.words) for sentence in sentences])
            seen = [np.array(numbers.encode(sentence, roles), dtype=np.int32) for sentence in sentences]
            arrays[f"{number}.{split}.seen"] = np.concatenate(seen, axis=1)
            for name, tag_set in sets.items():
                number_of = {tag: at for at, tag in enumerate(tag_set.tags)}
                column = group.tasks[name][0]
                tags = [number_of[tag] for sentence in sentences for tag in sentence.tags[column]]
                arrays[f"{split}.{name}"] = np.array(tags, dtype=np.int16)
    sizes = (*numbers.sizes, *[2 * REACH + 2] * roles)
    return arrays, tasks, sizes


def write_arrays(file: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays into one file, by way of one beside it, so that there is never half of it."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    beside = file.with_suffix(".tmp")
    beside.write_bytes(buffer.getvalue())
    beside.replace(file)
