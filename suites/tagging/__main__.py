"""Generated sentences as a corpus in columns: `python -m suites.tagging 5` prints five, with all their tags."""

import argparse

from suites.tagging.generate import TAG_SETS, Language

# Columns of the formats that have what is generated; `bio` and `iob1` say how spans are written.
FORMATS = {
    "columns": ("pos", "chunk:bio", "ner:bio", "srl:bio"),
    "conll2000": ("pos", "chunk:bio"),
    "conll2003": ("pos", "chunk:iob1", "ner:iob1"),
}


def write_sentences(seed: int, count: int, form: str = "columns") -> str:
    """`count` sentences of the language of `seed`: a word and its tags a line, an empty line behind a sentence."""
    language = Language(seed, 0.2, 0.5, 1.0)
    sentences = language.draw(("printed",), count)
    columns = [column.partition(":")[::2] for column in FORMATS[form]]
    tags = {task: sentences.read_tags(task) for task, _ in columns}
    blocks = []
    for row, words in enumerate(sentences.words):
        lines, before = "", dict.fromkeys(tags, "O")
        for at, word in enumerate(words[words >= 0]):
            written = language.lexicon.words[word]
            cells = [written.capitalize() if at == 0 else written]
            for task, scheme in columns:
                tag = TAG_SETS[task].tags[tags[task][row, at]]
                # In IOB1 a span begins with B only where one of its type ends right before it.
                touches = tag[2:] == before[task][2:] and before[task] != "O"
                cells.append(f"I-{tag[2:]}" if scheme == "iob1" and tag[0] == "B" and not touches else tag)
                before[task] = tag
            lines += " ".join(cells) + "\n"
        blocks.append(lines)
    return "\n".join(blocks) + "\n"


def main() -> None:
    """Print sentences."""
    parser = argparse.ArgumentParser(prog="python -m suites.tagging", description=__doc__)
    parser.add_argument("count", type=int, help="sentences")
    parser.add_argument("--seed", type=int, default=0, help="of the language (default 0)")
    parser.add_argument("--format", choices=list(FORMATS), default="columns", help="what stands in the columns")
    arguments = parser.parse_args()
    print(write_sentences(arguments.seed, arguments.count, arguments.format), end="")


if __name__ == "__main__":
    main()
