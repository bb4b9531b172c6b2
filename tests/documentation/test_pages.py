"""What stands on pages is what the programs say: README's sessions, every block of code, references."""

import ast
import contextlib
import io
import json
import re
import tomllib
from pathlib import Path

import pytest

from bench.cli.main import main
from documentation.command_reference import write_command_reference
from documentation.tooltips import explain_first_mentions, read_terms
from tests.pages import list_pages, list_programs, list_sessions, read_page

MOST_LINES = 120  # of README
TIMES = re.compile(r"\d+:\d\d:\d\d|with \d+ at a time")  # of this machine
OF_FENCES = {"console", "json", "python", "text", "toml", ""}


def test_readme_is_short() -> None:
    lines = read_page("README.md").splitlines()
    assert len(lines) <= MOST_LINES
    assert [len(line) for line in lines if len(line) > 250] == []


def test_readme_shows_what_its_commands_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of an output in their order; `...` stands for those that are left out. `check` is run with the example."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MTLBENCH_STORE", str(tmp_path / "runs"))
    sessions = [each for each in list_sessions(read_page("README.md")) if "mtlbench check" not in each[0]]
    assert len(sessions) == 2
    for command, shown in sessions:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            if program := re.fullmatch(r'python -c "(.*)"', command):
                exec(program[1], {})
            else:
                assert main(command.split()[1:]) == 0
        lines = iter([TIMES.sub("T", line) for line in printed.getvalue().splitlines()])
        for line in shown:
            assert line == "..." or TIMES.sub("T", line) in lines, line


@pytest.mark.parametrize("page", list_pages())
def test_blocks_of_code_parse(page: str) -> None:
    text = read_page(page)
    fences = re.findall(r"^ *```(\w*)[^\n`]*$", text, re.MULTILINE)
    assert len(fences) % 2 == 0
    assert set(fences) <= OF_FENCES
    for program in list_programs(text):
        ast.parse(program)
    for block in re.findall(r"^```toml\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        tomllib.loads(block)
    for block in re.findall(r"^```json\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        json.loads(block)


def test_the_program_of_questions(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints what stands behind it."""
    [program] = list_programs(read_page("docs/faq.md"))
    exec(program, {})
    assert capsys.readouterr().out.strip() == program.rpartition("# ")[2].strip()


def test_the_page_of_commands_is_what_the_parsers_say() -> None:
    """`python -m documentation.command_reference` after a change."""
    assert read_page("docs/cli.md") == write_command_reference()


def test_the_python_reference_has_every_name() -> None:
    import mtlbench as mb

    page = read_page("docs/api.md")
    named = re.findall(r"^::: (\S+)", page, re.MULTILINE)
    assert len(named) == len(set(named))
    last = {name.rpartition(".")[2] for name in named}
    assert {name for name in mb.__all__ if name not in ("__version__", "statistics")} <= last
    functions = {name for name in mb.statistics.__all__ if callable(getattr(mb.statistics, name))}
    assert functions - last == {"SelectionRule"}


def test_terms_are_explained_at_their_first_mention() -> None:
    terms = read_terms(read_page("docs/glossary.md"))
    assert terms["Head"] == "the last layers of a task, never shared."
    assert "Run" not in terms
    page = '<h1>Heads</h1><p>A <a href="x">head</a>, <code>head</code>; two heads and a head. Ahead.</p>'
    meaning = terms["Head"]
    assert explain_first_mentions(page, {"Head": meaning}) == page.replace(
        "two heads", f'two <abbr title="{meaning}">heads</abbr>'
    )
    assert explain_first_mentions("<p>no term</p>", terms) == "<p>no term</p>"


def test_every_entry_of_the_glossary_is_read() -> None:
    from documentation.tooltips import EVERYDAY

    text = read_page("docs/glossary.md")
    entries = set(re.findall(r"^- \*\*([^*]+)\*\*", text, re.MULTILINE))
    assert set(read_terms(text)) == entries - EVERYDAY
    assert entries >= EVERYDAY
