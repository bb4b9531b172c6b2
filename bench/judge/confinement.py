"""Where somebody else's code runs: in a sandbox of bubblewrap, or, without one, under limits on a copy of the project.

In the sandbox there is no network, the system and the installation are read-only, `/tmp` is private and small, and
nothing is there of stores, submissions, data sets, the home folder or other processes. Under limits the code has the
rights of whoever runs it; what it writes into the project's packages lands in a copy that is thrown away.
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

SEAL = ("--remount-ro", "/", "--remount-ro", "/dev")  # last: folders in them were made for what is bound
ConfinementKind = Literal["sandbox", "limits"]
PACKAGES = ("bench", "suites", "leaderboard")
RESULTS = ("leaderboard/results", "leaderboard/submissions", "leaderboard/sweeps")  # never shown to a method
SCANS = "sklearn/datasets/data"  # labelled data sets that come with scikit-learn
TEMPORARY_MB = 1024  # of /tmp and of /dev/shm, each
PASSED = ("OMP_", "MKL_", "KMP_", "OPENBLAS_", "ATEN_", "ONEDNN_", "DNNL_", "CUDA_", "NVIDIA_", "GOTO_")  # move digits
SETTING = "MTLBENCH_CONFINEMENT"  # `required` refuses to run without a sandbox, `limits` leaves it out


@dataclass(frozen=True)
class Confined:
    """A command as it is to be started, with its environment and its folder."""

    kind: ConfinementKind
    command: list[str]
    environment: dict[str, str]
    folder: Path
    code: tuple[Path, ...] = ()  # of the project, where it could be written to

    def __post_init__(self) -> None:
        object.__setattr__(self, "_before", self._look())

    def explain_changes(self) -> str:
        """A sentence where the project's code was changed meanwhile, here or in the copy that ran."""
        if self._look() == self._before:  # type: ignore[attr-defined]
            return ""
        return "It changed the code that runs it: install mtlbench anew where that is not a copy."

    def _look(self) -> list[dict[str, tuple[int, int]]]:
        return [_state_of(folder) for folder in self.code]


def describe_confinement(kind: ConfinementKind) -> str:
    """How code was kept apart, for people."""
    if kind == "sandbox":
        return "in a sandbox (bubblewrap: no network, read-only system, nothing of stores or data)"
    return "under limits only, on a copy of the code (no bubblewrap here: it could read files and use the network)"


def choose_confinement() -> ConfinementKind:
    """The best kind that works here. Raises UsageError where a sandbox is required and none works."""
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
    """Whether bubblewrap is there and may make namespaces."""
    if sys.platform != "linux" or shutil.which("bwrap") is None:
        return False
    try:
        trial = subprocess.run([*_sandbox(), "true"], capture_output=True, timeout=20, check=False)
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
    """A Python command (its words after the interpreter), confined.

    `readable` are files and folders that it sees beside the installation, and cannot write to. `scratch` is a private
    folder of the caller's, for the copy of the project where there is no sandbox.
    """
    if kind == "sandbox":
        roots = _package_roots()
        environment = _environment(roots, "/tmp")
        bound = [*_sandbox(), *_installation(hide_scans), *_further(readable, gpu), *SEAL]
        return Confined(kind, [*bound, sys.executable, *words], environment, Path("/"))
    copy = scratch / "code"
    for package in PACKAGES:
        shutil.copytree(_folder_of(package), copy / package, ignore=_without_results, dirs_exist_ok=True)
    home = scratch / "home"
    home.mkdir(exist_ok=True)
    code = tuple(root / package for package in PACKAGES for root in (copy, _folder_of(package).parent))
    return Confined(kind, [sys.executable, *words], _environment([copy], str(home)), home, code)


def _sandbox() -> list[str]:
    """bubblewrap with the system and nothing else."""
    words = [
        shutil.which("bwrap") or "bwrap",
        "--unshare-user",
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
        "--as-pid-1",  # a helper of bubblewrap as process 1 could be changed by what runs beside it
    ]
    words += ["--uid", "65534", "--gid", "65534", "--hostname", "player"]
    words += ["--disable-userns"] if "--disable-userns" in _help() else []
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
def _help() -> str:
    return subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False).stdout


def _installation(hide_scans: bool) -> list[str]:
    """Python, its packages and the project's, without results, submissions and labelled data sets."""
    shown = [sys.base_prefix, sys.prefix, os.path.dirname(os.path.realpath(sys.executable)), *site.getsitepackages()]
    shown += [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    shown += [*_given_path(), *(str(_folder_of(package)) for package in PACKAGES)]
    words: list[str] = []
    for folder in dict.fromkeys(os.path.abspath(entry) for entry in shown):
        if os.path.exists(folder) and not folder.startswith("/usr/") and folder != "/usr":
            words += ["--ro-bind", folder, folder]
    hidden = [_folder_of("leaderboard").parent / name for name in RESULTS]
    scans = find_spec("sklearn")
    if hide_scans and scans and scans.origin:
        hidden.append(Path(scans.origin).parents[1] / SCANS)
    for path in hidden:
        words += ["--tmpfs", str(path), "--remount-ro", str(path)] if path.is_dir() else []
    return words


def _further(readable: Sequence[Path], gpu: bool) -> list[str]:
    words: list[str] = []
    for path in readable:
        words += ["--ro-bind", str(path.resolve()), str(path.resolve())]
    if gpu:
        words += ["--ro-bind-try", "/sys", "/sys", "--ro-bind-try", "/etc/OpenCL", "/etc/OpenCL"]
        for device in sorted(Path("/dev").glob("nvidia*")):
            words += ["--dev-bind", str(device), str(device)]
    return words


def _environment(roots: Sequence[Path], home: str) -> dict[str, str]:
    """What a confined process is told: where the project is, and what moves digits; no secrets of the caller."""
    own = {name: value for name, value in os.environ.items() if name.startswith(PASSED)}
    path = [*map(str, roots), *_given_path()]
    return own | {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": home,
        "TMPDIR": "/tmp" if home == "/tmp" else home,
        "LANG": "C.UTF-8",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _given_path() -> list[str]:
    """What PYTHONPATH names beside the folders of the project, which hold results and much else."""
    given = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    roots = {str(root) for root in _package_roots()}
    return [entry for entry in given if entry not in roots]


@cache
def _folder_of(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None
    locations = spec.submodule_search_locations
    assert locations is not None
    return Path(next(iter(locations))).resolve()


@cache
def _package_roots() -> tuple[Path, ...]:
    """The folders that the project's packages lie in."""
    return tuple(dict.fromkeys(_folder_of(package).parent for package in PACKAGES))


def _without_results(folder: str, names: list[str]) -> set[str]:
    inside = Path(folder).name == "leaderboard"
    hidden = {Path(name).name for name in RESULTS}
    return {name for name in names if name == "__pycache__" or (inside and name in hidden)}


def _state_of(folder: Path) -> dict[str, tuple[int, int]]:
    """file -> its size and time, of the code of a package."""
    names = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if "__pycache__" in relative.parts or f"{folder.name}/{relative.parts[0]}" in RESULTS or path.is_dir():
            continue
        state = path.lstat()
        names[str(relative)] = state.st_size, state.st_mtime_ns
    return names
