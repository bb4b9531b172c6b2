"""Checks on the text of somebody else's Python: it reads as it looks, and some of its lines deserve a second look.

Nothing is run. What is shown differently from what Python reads is refused (`decode_source`), wherever a file is
checked, submitted, verified or loaded as a plug-in. What reads data or looks around is listed for a reviewer
(`find_suspicious_lines`), who decides.
"""

import ast
import io
import re
import tokenize
import unicodedata
import warnings
from collections.abc import Iterator

from bench.errors import make_printable

MOST = 20  # lines in one message: enough to see the kind, few enough to be read
_CODING = re.compile(r"^[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)")  # as PEP 263 has it
_UTF8 = {"utf-8", "utf8", "utf_8"}
_F_STRING = re.compile(r"(?i)(f|rf|fr)['\"]")
# Characters that have a category of visible ones and no shape: fillers, variation selectors, joiners, blanks.
_SHAPELESS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U0001d159\U000e0000-\U000e0fff]"
)

# Modules whose import is named: they hold data, reach the machine or the network, or look into the process.
LOOKED_AT = {
    **dict.fromkeys(["suites", "sklearn.datasets", "torchvision.datasets", "datasets", "h5py"], "reads data sets"),
    **dict.fromkeys(["leaderboard", "bench"], "reaches the harness; plug-ins import `bench.api` only"),
    **dict.fromkeys(["inspect", "gc", "traceback", "sys", "builtins", "importlib", "ctypes"], "looks into the process"),
    **dict.fromkeys(["subprocess", "multiprocessing", "threading", "signal", "atexit"], "starts or steers processes"),
    **dict.fromkeys(["socket", "ssl", "http", "urllib", "requests", "ftplib", "torch.hub"], "reaches the network"),
    **dict.fromkeys(["os", "pathlib", "shutil", "glob", "tempfile", "io", "mmap", "sqlite3"], "reaches files"),
    **dict.fromkeys(["pickle", "marshal", "joblib", "dill", "scipy.io", "pandas", "PIL", "imageio"], "reads files"),
}
ALLOWED = ("bench.api", "bench.toolbox")  # the contract of plug-ins and mathematics for them, exceptions from `bench`
# Calls by the full name that imports give them, and what each does.
CALLS = {
    **dict.fromkeys(["open", "io.open"], "opens a file"),
    **dict.fromkeys(["exec", "eval", "compile", "__import__"], "runs text as code"),
    **dict.fromkeys(["globals", "locals", "vars", "breakpoint"], "looks into the process"),
    **dict.fromkeys(["numpy.load", "numpy.loadtxt", "numpy.genfromtxt", "numpy.fromfile"], "reads a file"),
    **dict.fromkeys(["numpy.memmap", "torch.load", "torch.from_file"], "reads a file"),
    **dict.fromkeys(["setattr", "delattr"], "changes what another module or object is"),
}
# Methods by name alone: what object they are called on cannot be told from the text.
METHODS = {
    **dict.fromkeys(["dataset"], "reads a split of a suite"),
    **dict.fromkeys(["read_text", "read_bytes", "read_csv", "open"], "reads a file"),
}
# The ways from any object to frames, globals and all classes.
ATTRIBUTES = {
    *("_getframe", "f_back", "f_locals", "f_globals", "tb_frame", "gi_frame", "__globals__", "__builtins__"),
    *("__subclasses__", "__closure__", "__code__", "__mro__", "__bases__"),
}


def decode_source(data: bytes) -> str:
    """The text of a Python file that reads as it looks.

    UTF-8 without a byte order mark or another coding line; line ends are LF or CR LF; no other control characters, none
    without a shape, none that turns the direction of writing; names in ASCII, since Python reads `ｅxec` as `exec`.

    Raises:
        ValueError: one line per reason, each with its line number, 20 at most.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line}: should be UTF-8, found the byte 0x{data[error.start]:02x}") from error
    reasons = list(dict.fromkeys([*_find_disguises(text), *_find_foreign_names(text)]))
    if len(reasons) > MOST:
        reasons[MOST:] = [f"and {len(reasons) - MOST:,} more lines like these"]
    if reasons:
        raise ValueError("\n".join(reasons))
    return text


def _find_disguises(text: str) -> Iterator[str]:
    """A reason for each line with another coding, or with a character that is invisible or steers its display."""
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines[:2], 1):
        named = _CODING.match(line.lstrip("\ufeff"))
        if named and named[1].lower() not in _UTF8:
            yield f"line {number}: should be UTF-8, found the coding `{make_printable(named[1], 40)}`"
    for number, line in enumerate(lines, 1):
        bare = line.replace("\t", "")
        if not bare.isprintable() or _SHAPELESS.search(bare):
            strange = next(c for c in bare if not c.isprintable() or _SHAPELESS.match(c))
            name = unicodedata.name(strange, "a control character").lower()
            yield f"line {number}: should hold visible characters only, found U+{ord(strange):04X} ({name})"


def _find_foreign_names(text: str) -> Iterator[str]:
    """A reason for each name with letters outside ASCII; comments and plain strings may hold any."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline="").readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING) or token.string.isascii():
                # Up to Python 3.11 an f-string is one token, with names inside.
                if not (_F_STRING.match(token.string) and any(map(_reads_as_letter, token.string))):
                    continue
            elif tokenize.tok_name[token.type] == "FSTRING_MIDDLE":
                continue
            yield f"line {token.start[0]}: names should be of ASCII letters, found `{make_printable(token.string, 40)}`"
    except (tokenize.TokenError, SyntaxError):
        return  # no Python; the parser, which runs later, says so


def _reads_as_letter(character: str) -> bool:
    """Whether Python reads a character as an ASCII letter that it is not (NFKC, as identifiers are read)."""
    plain = unicodedata.normalize("NFKC", character)
    return plain != character and plain.isascii() and plain.isalpha()


def find_suspicious_lines(source: str) -> list[str]:
    """Lines of a source that read data by themselves or look around, for a reviewer, who judges whether they should.

    Imports of what holds data sets or reaches files, processes, the network or the harness; calls that read files or
    splits, or run text; attributes that lead to frames and classes; assignments to what was imported. Code that hides
    what it does is not detected.

    Returns "line N: reason" in ascending order, 20 at most. Raises SyntaxError as the compiler would.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes and the like of a foreign file are its author's
        tree = ast.parse(source)
    names = _read_imports(tree)
    suspects = sorted({(line, reason) for node in ast.walk(tree) for line, reason in _inspect_node(node, names)})
    reasons = [f"line {line}: {make_printable(reason, 200)}" for line, reason in suspects]
    return reasons if len(reasons) <= MOST else [*reasons[:MOST], f"and {len(reasons) - MOST:,} more lines like these"]


def _read_imports(tree: ast.AST) -> dict[str, str]:
    """Name in the source -> the full name of what it was imported from."""
    imports: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]  # which is all that `import numpy.linalg` binds
                imports[alias.asname or first] = alias.name if alias.asname else first
        elif isinstance(node, ast.ImportFrom):
            imports |= {alias.asname or alias.name: f"{node.module or ''}.{alias.name}" for alias in node.names}
    return imports


def _name_in_full(node: ast.expr, names: dict[str, str]) -> str:
    """`np.load` as `numpy.load`; empty where the node is no chain of names."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute) and (before := _name_in_full(node.value, names)):
        return f"{before}.{node.attr}"
    return ""


def _inspect_node(node: ast.AST, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Line and reason for each suspicious thing that one node does by itself."""
    if isinstance(node, ast.Import):
        yield from ((node.lineno, reason) for alias in node.names for reason in _inspect_module(alias.name))
    elif isinstance(node, ast.ImportFrom):
        module = node.module or ""
        whole = [f"{module}.{alias.name}" for alias in node.names]
        yield from ((node.lineno, reason) for name in whole for reason in _inspect_module(name))
    elif isinstance(node, ast.Call):
        called = _name_in_full(node.func, names)
        if called in CALLS:
            yield node.lineno, f"`{called}` {CALLS[called]}"
        elif isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            yield node.lineno, f"`.{node.func.attr}(` {METHODS[node.func.attr]}"
    elif isinstance(node, ast.Attribute):
        if node.attr in ATTRIBUTES:
            yield node.lineno, f"`.{node.attr}` looks into the process"
        elif isinstance(node.ctx, ast.Store | ast.Del):
            root = _name_in_full(node, names).split(".")[0]
            if root in {whole.split(".")[0] for whole in names.values()}:
                yield node.lineno, f"`{ast.unparse(node)}` is assigned to, which was imported"


def _inspect_module(name: str) -> Iterator[str]:
    """The reason why the import of a module is listed, if it is; the longest name in the list decides."""
    if any(name == allowed or name.startswith(f"{allowed}.") for allowed in ALLOWED):
        return
    known = [module for module in LOOKED_AT if name == module or name.startswith(f"{module}.")]
    if known:
        module = max(known, key=len)
        yield f"the import of `{module}` {LOOKED_AT[module]}"
