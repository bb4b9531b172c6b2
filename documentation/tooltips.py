"""Terms of the glossary, explained where they stand: by a tooltip on the first mention of each on a page."""

import html
import re
from collections.abc import Mapping

_ENTRY = re.compile(r"^- \*\*([^*]+)\*\*[^:]*: (.*?)(?=^- \*\*|\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
# Not looked into: what is a name, a link, a heading or an explanation already.
_CLOSED = ("a", "abbr", "code", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "math", "title", "script", "style", "button")
_TAG = re.compile(r"<(/?)([a-zA-Z][\w-]*)[^>]*?(/?)>|<!--.*?-->", re.DOTALL)
MOST = 240  # characters of a tooltip
# Terms that are words of every day, mostly meant as such: a guess would often be wrong.
EVERYDAY = {"Look", "Part", "Player", "Reference", "Related", "Run", "Separate", "Sharing", "Stack", "Store"}


def read_terms(glossary: str) -> dict[str, str]:
    """Term -> what it means, without links and marks, of the glossary's text; words of every day are left out."""
    return {term: _shorten(text) for term, text in _ENTRY.findall(glossary) if term not in EVERYDAY}


def _shorten(text: str) -> str:
    """The sentences of an entry that fit, as plain text; pointers to other pages are left out."""
    plain = _LINK.sub(r"\1", " ".join(text.split())).replace("`", "").replace("**", "")
    sentences = [each for each in re.split(r"(?<=\.) ", plain) if not each.startswith("See ")]
    kept = sentences[0]
    for sentence in sentences[1:]:
        if len(kept) + len(sentence) >= MOST:
            break
        kept = f"{kept} {sentence}"
    return kept


def explain_first_mentions(page: str, terms: Mapping[str, str]) -> str:
    """HTML in which the first mention of each term, also as a plural, is an `abbr` with its meaning.

    Headings, links and code are left alone.
    """
    forms = {form: term for term in terms for form in _list_forms(term)}
    if not forms:
        return page
    words = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, sorted(forms, key=len, reverse=True)))})(?![\w-])")
    left = dict(terms)

    def explain(match: re.Match[str]) -> str:
        meaning = left.pop(forms[match[1]], None)
        return match[0] if meaning is None else f'<abbr title="{html.escape(meaning)}">{match[1]}</abbr>'

    parts, at, closed = [], 0, 0
    for tag in _TAG.finditer(page):
        text = page[at : tag.start()]
        parts += [text if closed else words.sub(explain, text), tag[0]]
        if (tag[2] or "").lower() in _CLOSED and not tag[3]:
            closed += -1 if tag[1] else 1
        at = tag.end()
    return "".join([*parts, words.sub(explain, page[at:])])


def _list_forms(term: str) -> list[str]:
    """How a term is written in a sentence: small or with a capital, one or several."""
    plain = term.split(" (")[0]
    small = plain[0].lower() + plain[1:]
    singular = [plain, small]
    return [*singular, *(f"{form[:-1]}ies" if form.endswith("y") else f"{form}s" for form in singular)]
