"""`mtlbench completion`: what a shell offers for a word that is begun."""

import shutil
import subprocess
from pathlib import Path

import pytest

from bench.cli import completion
from bench.cli.main import COMMANDS, build_whole_parser, main

# As bash calls the function that completes: the words so far, of which the last one is begun.
ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=()
call=$(complete -p mtlbench | sed 's/.*-F \\([^ ]*\\).*/\\1/')
$call mtlbench "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script for bash."""
    pytest.importorskip("shtab")
    if not shutil.which("bash"):
        pytest.skip("there is no bash")
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr("builtins.print", lambda text, **_: said.append(text))
        assert main(["completion", "bash"]) == 0
    file = tmp_path_factory.mktemp("completion") / "mtlbench"
    file.write_text("\n".join(said))
    return file


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["re"], {"reproduce"}),
        (["run", "multim"], {"multimnist"}),
        (["run", "multidigits", "single_task", "cross"], {"cross_stitch"}),
        (["run", "multidigits", "hard@pcg"], {"hard@pcgrad"}),
        (["run", "--device", "c"], {"cpu", "cuda"}),
        (["reproduce", "scen"], {"scenes", "scenes_1"}),
        (["new", "met"], {"method", "metric"}),
        (["data", "im"], {"import"}),
        (["run", "--seed"], {"--seeds"}),
    ],
)
def test_what_is_begun_is_completed(script: Path, words: list[str], offered: set[str]) -> None:
    done = subprocess.run(
        ["bash", "-c", ASK, "bash", str(script), "mtlbench", *words], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == offered


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_every_command_and_the_names(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(command in text for command in COMMANDS)
    assert "'multimnist'" in text
    assert "'soft+l2'" in text


def test_without_shtab_the_sentence_names_what_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(completion, "find_spec", lambda name: None)
    assert main(["completion", "bash"]) == 2
    assert "pip install 'mtlbench[completion]'" in capsys.readouterr().err
    assert main(["completion", "tcsh"]) == 2
    assert "`bash`" in capsys.readouterr().err


def test_names_are_those_that_there_are() -> None:
    names = completion.list_names()
    assert {"multidigits", "synthetic"} <= set(names["SUITE"])
    assert {"demo", "multidigits_1"} <= set(names["TABLE"])
    assert {"hard", "soft+l2", "hard@pcgrad"} <= set(names["METHOD"])


def test_every_command_is_in_the_whole_parser() -> None:
    assert build_whole_parser().parse_args(["run", "synthetic", "hard"]).suite == "synthetic"
    assert build_whole_parser().parse_args(["table", "demo"]).name == "demo"
