"""Equations of docstrings, which are plain text (`w_t = 1 / T`), as LaTeX, for pages that render them.

Only the typography changes: every symbol stays where it is. What is no equation, as a line of a program, is refused,
and is then shown as it was written.
"""

import re
import unicodedata

# A word with two underlines or more is one name, as `test_per_train`; with one it is a symbol with an index.
_NAME = r"[a-zA-Z]\w*_[a-zA-Z]\w*_[a-zA-Z]\w*"
_TOKEN = re.compile(
    rf"\s+|{_NAME}|log2|\d+(?:\.\d+)?(?:e[+-]?\d+)?|[^\W\d_]+|<->|<-|->|<=|>=|\+-|-\+|!=|\.\.\.|.", re.ASCII
)
_SMALL = "alpha beta gamma delta epsilon eta theta kappa lambda mu nu xi pi rho sigma tau phi chi psi omega"
_GREEK = [*_SMALL.split(), *["Gamma", "Delta", "Theta", "Lambda", "Phi", "Psi", "Sigma", "Omega"]]
_WORDS = {name: f"\\{name}" for name in _GREEK} | {
    "eps": "\\epsilon",
    "lam": "\\lambda",
    "log2": "\\log_2",
    "prod": "\\prod",
    "inf": "\\infty",
    "sum": "\\sum",
    "log": "\\log",
    "exp": "\\exp",
    "max": "\\max",
    "min": "\\min",
    "sqrt": "\\sqrt",
    "in": "\\in",
}
_SIGNS = {
    "<-": "\\leftarrow",
    "->": "\\to",
    "<->": "\\leftrightarrow",
    "<=": "\\le",
    ">=": "\\ge",
    "!=": "\\ne",
    "+-": "\\pm",
    "-+": "\\mp",
    "...": "\\dots",
    "*": "\\cdot",
    "{": "\\{",
    "}": "\\}",
    "%": "\\%",
    "~": "\\sim",
    "²": "^2",
    "·": "\\cdot",
}
_PLAIN = set("()[]|+-/=<>,;:.!'")
_LETTERS = 3  # indices are letters in a row, `w_ait`; a longer word below a symbol is a word
WIDE = 80  # characters of a line of equations that a page has room for
_CLOSING = {"{": "}", "(": ")", "[": "]"}


def translate_equation(text: str) -> str:
    """A line of plain text as LaTeX.

    Names of one letter and Greek ones are symbols, other words are upright; `_` and `^` take what follows, as a whole
    where it stands in braces or brackets.

    Raises:
        ValueError: the line has a sign that no equation has, as `#` or a quote.
    """
    tokens = [token for token in _TOKEN.findall(unicodedata.normalize("NFC", text.strip())) if token]
    found, at = _translate(tokens, 0, None)
    if at != len(tokens):
        raise ValueError(f"An equation should close what it opens. Found `{text}`.")
    return found


def _translate(tokens: list[str], at: int, end: str | None) -> tuple[str, int]:
    """The LaTeX of tokens from `at` up to the one that is `end`, and the place after it."""
    parts: list[str] = []
    while at < len(tokens):
        token = tokens[at]
        if token == end:
            return "".join(parts), at + 1
        if token in "_^":
            part, at = _translate_script(tokens, at + 1)
            parts.append(f"{token}{{{part}}}")
        elif token == "sqrt" and tokens[at + 1 : at + 2] == ["("]:
            part, at = _translate(tokens, at + 2, ")")
            parts.append(f"\\sqrt{{{part}}}")
        elif token in ("{", "("):
            part, at = _translate(tokens, at + 1, _CLOSING[token])
            parts.append(f"\\{{{part}\\}}" if token == "{" else f"({part})")
        elif token.isspace():
            parts.append(_translate_gap(token, "".join(parts[-1:]), "".join(tokens[at + 1 : at + 2])))
            at += 1
        elif token == "*" and at and not tokens[at - 1].isspace() and tokens[at + 1 : at + 2] != [" "]:
            parts.append("^*")  # of a symbol, as `t*_(l)`
            at += 1
        else:
            parts.append(_translate_token(token))
            at += 1
    if end is not None:
        raise ValueError(f"An equation should close what it opens. Found no `{end}`.")
    return "".join(parts), at


def _translate_script(tokens: list[str], at: int) -> tuple[str, int]:
    """What stands below or above a symbol, and the place after it."""
    if at >= len(tokens) or tokens[at].isspace():
        raise ValueError("An index or a power should follow its sign. Found none.")
    token = tokens[at]
    if token in _CLOSING:
        part, after = _translate(tokens, at + 1, _CLOSING[token])
        return (part if token == "{" else f"{token}{part}{_CLOSING[token]}"), after
    if token in ("-", "+") and at + 1 < len(tokens):
        part, after = _translate_script(tokens, at + 1)
        return token + part, after
    if token == "." or (token.isalpha() and token not in _WORDS and len(token) <= _LETTERS):
        after = at + 1
        while after < len(tokens) and _goes_on(token, tokens[after], after + 1 == len(tokens)):
            after += 1
        return "".join(tokens[at:after]), after
    return _translate_token(token), at + 1


def _goes_on(first: str, token: str, last: bool) -> bool:
    """Whether an index goes on: dots stand for those that were averaged over, as in `y_s.`, `y_.u` and `y_..`."""
    return (token == "." and (first == "." or not last)) or (first == "." and token.isalpha())


def _translate_gap(token: str, before: str, following: str) -> str:
    """White space: wide between two equations of a line, narrow beside a word, else none that LaTeX would not make."""
    if len(token) >= 3:
        return "\\qquad "
    word = following.isalpha() and len(following) > 1 and following not in _WORDS
    return "\\ " if word or before.startswith("\\mathrm") else " "


def _translate_token(token: str) -> str:
    """One word, number or sign."""
    if token in _WORDS:
        return f"{_WORDS[token]} "
    if token in _SIGNS:
        return f"{_SIGNS[token]} "
    if re.fullmatch(_NAME, token):
        return f"\\text{{{token.replace('_', chr(92) + '_')}}}"
    if token.isalpha():
        return token if len(token) == 1 else f"\\mathrm{{{token}}}"
    if token in _PLAIN or token[0].isdigit():
        return token
    raise ValueError(f"An equation should have no `{token}`.")


def render_equations(docstring: str) -> str:
    """A docstring whose indented equations are displayed ones of Markdown, each line by itself; all else stays.

    Indented lines are an equation where each can be translated and one of them has `=`, `<-` or `+-`.
    """
    blocks = re.split(r"(\n[ \t]*\n)", docstring)
    return "".join(_render_block(block) for block in blocks)


def _render_block(block: str) -> str:
    """One paragraph: an equation where all of its lines are indented and read as one."""
    lines = block.split("\n")
    if not all(re.match(r" {4}\S", line) for line in lines) or not re.search(r"=|<-|\+-", block):
        return block
    try:
        return "\n\n".join(f"$$\n{translate_equation(part)}\n$$" for line in lines for part in _split_wide(line))
    except ValueError:
        return block


def _split_wide(line: str) -> list[str]:
    """The equations of a line, one by one where together they are wider than a page."""
    return re.split(r" {3,}", line.strip()) if len(line) > WIDE else [line]
