"""Sentences as derivations: every way to fill a clause, with its probability and the tags that follow from it.

A derivation gives a place for each word: the word class it asks for and its tags, so that labels have no noise. What is
left to chance besides are the words. All derivations can be listed, which makes the posterior of labels given words a
finite sum (`suites.tagging.bayes`).
"""

import itertools
import math
from functools import cache
from typing import NamedTuple


class WordPlace(NamedTuple):
    """One word of a derivation: the word class that it asks for, and its tags."""

    word: str
    pos: str
    chunk: str = "O"
    ner: str = "O"
    srl: str = "O"


class Derivation(NamedTuple):
    """The places of a sentence, and the probability of this way to make one."""

    chance: float
    places: tuple[WordPlace, ...]


def _phrase(*places: tuple[str, ...]) -> tuple[WordPlace, ...]:
    """A noun phrase of (word class, part of speech, and where it is a name, its tag)."""
    return tuple(
        WordPlace(word, pos, "I-NP" if i else "B-NP", *(ner or ("O",))) for i, (word, pos, *ner) in enumerate(places)
    )


_DET, _ADJ, _NOUN = ("determiner", "DT"), ("adjective", "JJ"), ("noun", "NN")
PHRASES = {
    "pronoun": _phrase(("pronoun", "PRP")),
    "noun": _phrase(_DET, _NOUN),
    "adjective": _phrase(_DET, _ADJ, _NOUN),
    "person": _phrase(("person", "NNP", "B-PER")),
    "full": _phrase(("person", "NNP", "B-PER"), ("person", "NNP", "I-PER")),
    "titled": _phrase(("title", "NNP"), ("person", "NNP", "B-PER")),
    "group": _phrase(("group", "NNP", "B-ORG")),
    "firm": _phrase(("group", "NNP", "B-ORG"), ("firm", "NNP", "I-ORG")),
    "place": _phrase(("place", "NNP", "B-LOC")),
    "time": _phrase(_DET, ("time", "NN")),
}
# What fills a part of the clause, and how often.
FILLERS: dict[str, dict[str, float]] = {
    "thing": {
        "pronoun": 0.15,
        "noun": 0.25,
        "adjective": 0.15,
        "person": 0.12,
        "full": 0.08,
        "titled": 0.05,
        "group": 0.08,
        "firm": 0.06,
        "place": 0.06,
    },
    "receiver": {"pronoun": 0.3, "noun": 0.3, "person": 0.25, "group": 0.15},
    "gift": {"noun": 0.5, "adjective": 0.3, "group": 0.2},
    "site": {"noun": 0.4, "adjective": 0.1, "place": 0.4, "group": 0.1},
    "time": {"time": 1.0},
}
# Clauses as parts: `A0:thing` is a noun phrase with a role, `A2:to:receiver` one behind a preposition.
CLAUSES = {
    "A0:thing V": 0.15,
    "A0:thing V A1:thing": 0.35,
    "A0:thing V A1:gift A2:to:receiver": 0.1,
    "A0:thing V A2:receiver A1:gift": 0.1,
    "A1:thing P": 0.12,
    "A1:thing P A0:by:thing": 0.18,
}
# What stands around a clause.
FRAMES = {
    "{}": 0.4,
    "{} AM-LOC:in:site": 0.2,
    "{} AM-TMP:in:time": 0.15,
    "{} AM-TMP": 0.1,
    "AM-TMP {}": 0.08,
    "{} AM-LOC:by:site": 0.07,
}


def _give_role(places: tuple[WordPlace, ...], role: str) -> tuple[WordPlace, ...]:
    """`places` as one span of a role."""
    return tuple(place._replace(srl=f"{'I' if i else 'B'}-{role}") for i, place in enumerate(places))


def _fill(part: str) -> list[Derivation]:
    """All ways to make one part of a clause."""
    role, *words = part.split(":")
    if part == "V":
        return [Derivation(1.0, (WordPlace("verb", "VBD", "B-VP", srl="B-V"),))]
    if part == "P":  # only the participle is the predicate
        places = WordPlace("auxiliary", "AUX", "B-VP"), WordPlace("verb", "VBN", "I-VP", srl="B-V")
        return [Derivation(1.0, places)]
    if not words:
        return [Derivation(1.0, (WordPlace("adverb", "RB", "B-ADVP", srl=f"B-{role}"),))]
    *before, filler = words
    head = tuple(WordPlace(word, "IN", "B-PP") for word in before)
    return [Derivation(p, _give_role(head + PHRASES[name], role)) for name, p in FILLERS[filler].items()]


@cache
def list_derivations() -> tuple[Derivation, ...]:
    """Every derivation of a sentence; their probabilities sum to 1."""
    found = []
    for (frame, p), (clause, q) in itertools.product(FRAMES.items(), CLAUSES.items()):
        for choice in itertools.product(*map(_fill, frame.format(clause).split())):
            places = itertools.chain(*(part.places for part in choice), [WordPlace("stop", ".")])
            found.append(Derivation(p * q * math.prod(part.chance for part in choice), tuple(places)))
    return tuple(found)
