"""Begin a part of your own: writes one commented file that passes `mtlbench check` as it is."""

import argparse
import keyword
import re
import shlex
import sys
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path

from bench.cli.names import find_meaning
from bench.errors import UsageError, make_printable
from bench.system.files import make_folder, write_whole

# What a user writes -> the kind in the registry. A method is begun with what it is made around, its sharing.
KINDS = {
    "suite": "suite",
    "method": "sharing",
    "constraint": "constraint",
    "weighting": "weighting",
    "metric": "suite",  # a kind of metric comes with a tiny suite of its name
    "backbone": "backbone",  # and so does a network
}
# kind -> what `mtlbench run` is given to try the part, after the words of the command.
TRIALS = {
    "suite": "{name} single_task hard",
    "method": "synthetic single_task hard {name}",
    "constraint": "synthetic single_task hard soft+{name}",
    "weighting": "synthetic single_task hard hard@{name}",
    "metric": "{name} single_task hard",
    "backbone": "{name} single_task hard",
}
EPILOG = """examples:
  mtlbench new method my_method
  mtlbench new constraint my_penalty --out experiments

The file is a whole part that trains. Its comments say what each line is for and what to change first.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("kind", metavar="KIND", choices=KINDS, help=f"one of {', '.join(KINDS)}")
    parser.add_argument("name", metavar="NAME", help="letters, digits and `_`; the file is NAME.py")
    parser.add_argument(
        "--out", metavar="DIR", type=Path, default=Path(), help="folder of the file (default: this one)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the file, and print the two commands that come next.

    Raises:
        UsageError: The name is none for a part or a Python file, or is taken, or the file is there already.
        OSError: The folder cannot be written.
    """
    kind, name, folder = arguments.kind, arguments.name, arguments.out.expanduser()
    refuse_name(kind, name)
    path = folder / f"{name}.py"
    if path.exists() or path.is_symlink():
        raise UsageError(f"`{make_printable(str(path))}` should not be there yet; choose another name or `--out`.")
    if folder.suffix == ".py" or (folder.exists() and not folder.is_dir()):
        raise UsageError(
            f"`--out` should be the folder of the file, which is called NAME.py. Found a file, "
            f"`{make_printable(str(folder))}`; take `--out {make_printable(str(folder.parent))}`."
        )
    text = write_part(kind, name)
    make_folder(folder)
    write_whole(path, text.encode())
    shown = shlex.quote(make_printable(str(path)))
    print(f"{shown} is a {kind} that trains. What comes next:")
    print(f"  mtlbench check {shown}")
    print(f"  mtlbench run {TRIALS[kind].format(name=name)} --plugin {shown}")
    return 0


def write_part(kind: str, name: str) -> str:
    """The text of a file with a part of `kind` called `name`: a module of `bench.templates` under another name."""
    text = files("bench.templates").joinpath(f"{kind}.py").read_text(encoding="utf-8")
    cls = "".join(word[:1].upper() + word[1:] for word in name.split("_")) or name
    words = set(re.findall(r"\w+", text))
    if keyword.iskeyword(cls) or cls in words or f"{cls}Suite" in words:  # as `Tensor`, which the file imports
        cls = f"Own{cls}"
    return text.replace(f"My{kind.capitalize()}", cls).replace(f"my_{kind}", name)


def refuse_name(kind: str, name: str) -> None:
    """Raise UsageError where `name` is none for a part, for a Python file beside others, or is taken."""
    from bench.catalogue.own_sets import list_own_sets
    from bench.records.grammar import PART_NAME

    if not re.fullmatch(PART_NAME, name):
        raise UsageError(
            f"NAME should be letters, digits and `_`, beginning with a letter, as `my_{kind}`. "
            f"Found `{make_printable(name)}`."
        )
    # A file `random.py` would stand in the way of Python's own for whatever runs beside it.
    if keyword.iskeyword(name) or name in sys.stdlib_module_names or name in packages_distributions():
        raise UsageError(f"NAME should be no word of Python and no module of it, as `my_{name}`. Found `{name}`.")
    taken = find_meaning(name) or ("data set of your own" if name in list_own_sets(None) else "")
    if taken:
        raise UsageError(f"`{name}` is taken, by a {taken}; choose another name, as `my_{name}`.")
