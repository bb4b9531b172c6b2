"""An answer as text for the terminal, and as Markdown."""

from leaderboard.ask.answer import Findings
from leaderboard.ask.blocks import AnswerGrid, Heading, Listing, Paragraph, lay_out_answer
from leaderboard.report.escape import markdown, markdown_sentence, printable
from leaderboard.report.formats import markdown_table
from leaderboard.report.terminal import draw_texts


def draw_answer(answer: Findings) -> str:
    """The answer for the terminal: the paragraph first, then everything behind it."""
    parts = []
    for block in lay_out_answer(answer):
        match block:
            case Heading():
                continue  # grids have titles of their own
            case Paragraph(text):
                parts.append(f"{printable(text)}\n")
            case Listing(lines):
                parts.append("".join(f"    {printable(line)}\n" for line in lines))
            case AnswerGrid():
                head = [printable(name) for name in block.head]  # names of tasks are somebody else's
                parts.append(draw_texts(block.title, head, block.rows, [], block.left))
    return "\n".join(parts)


def format_answer(answer: Findings) -> str:
    """The answer in Markdown."""
    parts = [f"# Does it help? {markdown(answer.suite)}\n"]
    for block in lay_out_answer(answer):
        match block:
            case Heading(text):
                parts.append(f"## {markdown(text)}\n")
            case Paragraph(text):
                parts.append(f"{markdown_sentence(text)}\n")
            case Listing(lines):
                parts.append("".join(f"    {printable(line)}\n" for line in lines))
            case AnswerGrid():
                parts.append(markdown_table(block.title, block.head, block.rows, []))
    return "\n".join(parts)
