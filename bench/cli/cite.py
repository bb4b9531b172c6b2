"""Print how to cite mtlbench: BibTeX, APA, or the file CITATION.cff that both are made of."""

import argparse

from bench.errors import DataMissing

EPILOG = """examples:
  mtlbench cite
  mtlbench cite --format apa

Cite the papers of the methods and the data that you use, too: `mtlbench show NAME` has them.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command to its parser."""
    parser.add_argument("--format", choices=["bibtex", "apa", "cff"], default="bibtex", help="default: bibtex")


def run(arguments: argparse.Namespace) -> int:
    """Print the reference.

    Returns:
        0.

    Raises:
        DataMissing: The code came without CITATION.cff.
    """
    from leaderboard.export.citation import CITATION_FILE, read_citation
    from leaderboard.export.project_file import read_project_file

    citation = read_citation()
    if citation is None:
        raise DataMissing(f"`{CITATION_FILE}` should lie at the root of the project. Found none; clone it to have it.")
    texts = {"bibtex": citation.bibtex, "apa": f"{citation.apa}\n", "cff": read_project_file(CITATION_FILE)}
    print(texts[arguments.format], end="")
    return 0
