"""Where somebody else's code runs: in a sandbox of bubblewrap, or, without one, under limits on a copy of the project.

In the sandbox there is no network, the system and the installation are read-only, `/tmp` is private and small, and
stores, submissions, data sets, the home folder and other processes do not exist. Under limits the code has the rights
of whoever runs it; what it writes into the project's packages lands in a copy that is thrown away.

This module only builds the command line; `bench.judge.host` starts it. docs/security.md says what each kind promises.
"""

import os
import shutil
import site
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from bench.errors import UsageError

# The last words of bubblewrap's command: until then it makes folders in `/` and `/dev` for what is bound there.
SEAL = ("--remount-ro", "/", "--remount-ro", "/dev")
ConfinementKind = Literal["sandbox", "limits"]
PACKAGES = ("bench", "suites", "leaderboard")
RESULTS = ("leaderboard/results", "leaderboard/submissions", "leaderboard/sweeps")  # never shown to a method
LABELLED_DATA = "sklearn/datasets/data"  # labelled data sets that come with scikit-learn
TEMPORARY_MB = 1024  # of /tmp and of /dev/shm, each
# Variables that are handed on: they choose numerical kernels and threads, and with them the last digits of results.
PASSED_PREFIXES = ("OMP_", "MKL_", "KMP_", "OPENBLAS_", "ATEN_", "ONEDNN_", "DNNL_", "CUDA_", "NVIDIA_", "GOTO_")
SETTING = "MTLBENCH_CONFINEMENT"  # `required` refuses to run without a sandbox, `limits` leaves it out


@dataclass(frozen=True)
class Confined:
    """A command that is ready to be started: its words, its environment and its working folder.

    `code` are folders of the project's code that the command could write to; their state is recorded when this is made.
    """

    kind: ConfinementKind
    command: list[str]
    environment: dict[str, str]
    folder: Path
    code: tuple[Path, ...] = ()  # of the project, where it could be written to

    def __post_init__(self) -> None:
        object.__setattr__(self, "_before", self._record_state())

    def explain_changes(self) -> str:
        """A sentence where the project's code was changed since, here or in the copy that ran; empty otherwise."""
        if self._record_state() == self._before:  # type: ignore[attr-defined]
            return ""
        return "It changed the code that runs it: install mtlbench anew where that is not a copy."

    def _record_state(self) -> list[dict[str, tuple[int, int]]]:
        """Sizes and times of the files that could be written to."""
        return [_state_of(folder) for folder in self.code]


def describe_confinement(kind: ConfinementKind) -> str:
    """How code is kept apart, as a phrase that continues `The method runs ...`."""
    if kind == "sandbox":
        return "in a sandbox (bubblewrap: no network, read-only system, nothing of stores or data)"
    return "under limits only, on a copy of the code (no bubblewrap here: it could read files and use the network)"


def choose_confinement() -> ConfinementKind:
    """The strongest kind that works here.

    MTLBENCH_CONFINEMENT=required refuses to run without a sandbox, `limits` leaves it out. Raises UsageError for
    another value, and where a sandbox is required and none works.
    """
    wanted = os.environ.get(SETTING, "")
    if wanted not in ("", "required", "limits"):
        raise UsageError(f"`{SETTING}` should be `required` or `limits`. Found `{wanted}`.")
    if wanted != "limits" and sandbox_works():
        return "sandbox"
    if wanted == "required":
        raise UsageError(
            "A sandbox is required, and bubblewrap does not work here: install it (Debian: `apt install bubblewrap`), "
            "and let user namespaces be made."
        )
    return "limits"


@cache
def sandbox_works() -> bool:
    """Whether bubblewrap is installed and may make namespaces; tried once per process."""
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        return False
    try:
        trial = subprocess.run([*_sandbox_command(), "true"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return trial.returncode == 0


def confine(
    words: Sequence[str],
    kind: ConfinementKind,
    scratch: Path,
    *,
    readable: Sequence[Path] = (),
    gpu: bool = False,
    hide_scans: bool = True,
) -> Confined:
    """Build the confined form of a Python command.

    Args:
        words: The words after the interpreter.
        kind: From `choose_confinement`.
        scratch: A private folder of the caller's, for the copy of the project where there is no sandbox.
        readable: Files and folders that the command sees beside the installation, and cannot write to.
        gpu: Whether the GPUs' device files are made visible.
        hide_scans: Whether to hide the labelled data sets that come with scikit-learn: a suite may be made of them.
    """
    if kind == "sandbox":
        roots = _package_roots()
        environment = _build_environment(roots, "/tmp")
        bound = [*_sandbox_command(), *_bind_installation(hide_scans), *_bind_further(readable, gpu), *SEAL]
        return Confined(kind, [*bound, sys.executable, *words], environment, Path("/"))
    copy = scratch / "code"
    for package in PACKAGES:
        shutil.copytree(_folder_of(package), copy / package, ignore=_names_to_skip, dirs_exist_ok=True)
    home = scratch / "home"
    home.mkdir(exist_ok=True)
    code = tuple(root / package for package in PACKAGES for root in (copy, _folder_of(package).parent))
    return Confined(kind, [sys.executable, *words], _build_environment([copy], str(home)), home, code)


def _sandbox_command() -> list[str]:
    """The beginning of bubblewrap's command: new namespaces, no capabilities, the system read-only and nothing else."""
    words = [
        shutil.which("bwrap") or "bwrap",
        "--unshare-user",
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
        "--as-pid-1",  # a helper of bubblewrap as process 1 could be changed by other processes in the sandbox
    ]
    words += ["--uid", "65534", "--gid", "65534", "--hostname", "player"]
    # Older versions of bubblewrap do not know the option; a new user namespace inside would give capabilities back.
    words += ["--disable-userns"] if "--disable-userns" in _read_bwrap_help() else []
    for folder in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if os.path.islink(folder):
            words += ["--symlink", os.readlink(folder), folder]
        elif os.path.isdir(folder):
            words += ["--ro-bind", folder, folder]
    for file in ("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/sys/devices/system"):
        words += ["--ro-bind-try", file, file]
    size = str(TEMPORARY_MB << 20)
    words += ["--proc", "/proc", "--dev", "/dev", "--size", size, "--tmpfs", "/dev/shm"]
    # Where root starts it, files of root are its own, and /proc/sys would be: what it runs at a crash, as an example.
    words += ["--remount-ro", "/proc"]
    return [*words, "--size", size, "--tmpfs", "/tmp", "--chdir", "/tmp"]


@cache
def _read_bwrap_help() -> str:
    """bubblewrap's own help, which tells the options of this version."""
    return subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False).stdout


def _bind_installation(hide_scans: bool) -> list[str]:
    """Words that make Python, its packages and the project's visible, read-only.

    Results, submissions and, with `hide_scans`, labelled data sets among them are covered by empty folders that cannot
    be written to.
    """
    shown = [sys.base_prefix, sys.prefix, os.path.dirname(os.path.realpath(sys.executable)), *site.getsitepackages()]
    shown += [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    shown += [*_extra_import_path(), *(str(_folder_of(package)) for package in PACKAGES)]
    words: list[str] = []
    for folder in dict.fromkeys(os.path.abspath(entry) for entry in shown):
        if os.path.exists(folder) and not folder.startswith("/usr/") and folder != "/usr":
            words += ["--ro-bind", folder, folder]
    hidden = [_folder_of("leaderboard").parent / name for name in RESULTS]
    sklearn = find_spec("sklearn")
    if hide_scans and sklearn and sklearn.origin:
        hidden.append(Path(sklearn.origin).parents[1] / LABELLED_DATA)
    for path in hidden:
        words += ["--tmpfs", str(path), "--remount-ro", str(path)] if path.is_dir() else []
    return words


def _bind_further(readable: Sequence[Path], gpu: bool) -> list[str]:
    """Words that make further paths visible, read-only, and the GPUs where asked."""
    words: list[str] = []
    for path in readable:
        words += ["--ro-bind", str(path.resolve()), str(path.resolve())]
    if gpu:
        words += ["--ro-bind-try", "/sys", "/sys", "--ro-bind-try", "/etc/OpenCL", "/etc/OpenCL"]
        for device in sorted(Path("/dev").glob("nvidia*")):
            words += ["--dev-bind", str(device), str(device)]
    return words


def _build_environment(roots: Sequence[Path], home: str) -> dict[str, str]:
    """The environment of a confined process: where the project is, and what moves digits; no secrets of the caller."""
    own = {name: value for name, value in os.environ.items() if name.startswith(PASSED_PREFIXES)}
    path = [*map(str, roots), *_extra_import_path()]
    return own | {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": "/tmp" if home == "/tmp" else home,
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _extra_import_path() -> list[str]:
    """Entries of PYTHONPATH other than the folders of the project, which hold results and much else."""
    given = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    roots = {str(root) for root in _package_roots()}
    return [entry for entry in given if entry not in roots]


@cache
def _folder_of(package: str) -> Path:
    """The folder of an installed package, links resolved."""
    spec = find_spec(package)
    assert spec is not None
    locations = spec.submodule_search_locations
    assert locations is not None
    return Path(next(iter(locations))).resolve()


@cache
def _package_roots() -> tuple[Path, ...]:
    """The folders that the project's packages lie in."""
    return tuple(dict.fromkeys(_folder_of(package).parent for package in PACKAGES))


def _names_to_skip(folder: str, names: list[str]) -> set[str]:
    """For `shutil.copytree`: what the copy of the project leaves out, results and compiled files."""
    inside = Path(folder).name == "leaderboard"
    hidden = {Path(name).name for name in RESULTS}
    return {name for name in names if name == "__pycache__" or (inside and name in hidden)}


def _state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """file -> (size, time of change in ns), of the code of a package; results in it are no code."""
    names = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if "__pycache__" in relative.parts or f"{folder.name}/{relative.parts[0]}" in RESULTS or path.is_dir():
            continue
        state = path.lstat()
        names[str(relative)] = state.st_size, state.st_mtime_ns
    return names
