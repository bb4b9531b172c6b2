"""The least error that any model can have on generated sentences, from the posterior of their derivations.

The posterior of derivation d given the words w_1 ... w_L is in proportion to P(d) prod_i P(w_i | place i of d), a sum
over all derivations of L words, exactly. It is taken given what is seen of a word: those that no dictionary has show
their ending and first letter alone.
"""

from collections.abc import Iterator

import numpy as np

from suites._shared.tagging.tags import list_spans
from suites.tagging.generate import TAG_SETS, Language, Sentences, tabulate_grammar
from suites.tagging.lexicon import CAPITALISED, WORD_CLASSES

PIECE = 500  # sentences at a time


def compute_posteriors(language: Language, sentences: Sentences) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Rows of sentences of one length, the derivations of that length, and the posterior (D, n) of these."""
    tables, lexicon = tabulate_grammar(), language.lexicon
    lengths = (sentences.words >= 0).sum(axis=1)
    capital = np.isin(np.arange(len(WORD_CLASSES)), [WORD_CLASSES.index(kind) for kind in CAPITALISED])
    for length in np.unique(lengths):
        derivations = np.flatnonzero(tables.length == length)
        every = np.flatnonzero(lengths == length)
        for rows in (every[at : at + PIECE] for at in range(0, len(every), PIECE)):
            forms = lexicon.forms[sentences.words[rows]]
            weight = np.repeat(tables.chance[derivations][:, None], len(rows), axis=1)
            for place in range(length):
                asked = tables.word[derivations, place]
                weight *= lexicon.form_chance[:, forms[:, place]][asked]
                if place:  # the first word has a capital whatever it is
                    weight *= capital[asked][:, None] == sentences.upper[rows, place]
            yield rows, derivations, weight / weight.sum(axis=0)


def bound_token_error(language: Language, sentences: Sentences, task: str) -> float:
    """min over predictors of the expected share of wrong tags in `sentences`: mean of 1 - max_k P(tag = k | words)."""
    tags, wrong, total = tabulate_grammar().tags[task], 0.0, 0
    for rows, derivations, posterior in compute_posteriors(language, sentences):
        for place in range(int((tags[derivations[0]] >= 0).sum())):
            at = tags[derivations, place]
            each = np.stack([posterior[at == tag].sum(axis=0) for tag in np.unique(at)])
            wrong += float((1 - each.max(axis=0)).sum())
            total += len(rows)
    return max(wrong, 0.0) / total  # rounding may leave a little less than 0


def list_span_chances(language: Language, sentences: Sentences, task: str) -> np.ndarray:
    """P(span | words) of every span that a derivation of a sentence may have, over all sentences in one array."""
    tags, kept = tabulate_grammar().tags[task], _number_scored(task)
    found = []
    for _, derivations, posterior in compute_posteriors(language, sentences):
        spans = [{span for span in list_spans(tags[d]) if span[2] in kept} for d in derivations]
        number = {span: at for at, span in enumerate(sorted(set().union(*spans)))}
        has = np.zeros((len(number), len(derivations)))
        for column, own in enumerate(spans):
            has[[number[span] for span in own], column] = 1
        found.append((has @ posterior).ravel())
    return np.concatenate(found)


def bound_span_error(language: Language, sentences: Sentences, task: str) -> float:
    """1 - the largest 2 E[correct] / (predicted + E[truth]) over all sets of spans that could be predicted.

    With p_s the chance of span s given the words, the best set has the m likeliest spans, those with p_s above half of
    its own value (Lipton, Elkan, Naryanaswamy, ECML PKDD 2014, theorem 1): max over m of
    2 sum_{s <= m} p_s / (m + sum_s p_s). Sets whose spans overlap are among them, so that a tagger may not reach it.
    """
    chances = np.sort(list_span_chances(language, sentences, task))[::-1]
    values = 2 * chances.cumsum() / (np.arange(1, len(chances) + 1) + chances.sum())
    return max(0.0, float(1 - values.max()))


def bound_error(language: Language, sentences: Sentences, task: str) -> float:
    """The least expected primary error of a task on `sentences`: of tokens, or of spans."""
    bound = bound_span_error if TAG_SETS[task].spans else bound_token_error
    return bound(language, sentences, task)


def _number_scored(task: str) -> set[int]:
    """The numbers of the types of a task that are scored."""
    tag_set = TAG_SETS[task]
    return {number for number, label in enumerate(tag_set.labels) if label not in tag_set.unscored}
