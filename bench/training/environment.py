"""What a run ran on: versions and the class of the machine, never a path or a host name."""

import os
import platform
import re
import resource
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from bench.errors import UsageError

PACKAGES = ("mtlbench", "torch", "torchvision", "lightning", "numpy", "scikit-learn", "pydantic")


def versions(*further: str) -> dict[str, str]:
    """Package -> version, of `further` ones too, with Python's own and the system's kind."""
    return dict(_versions(further))


@cache
def _versions(further: tuple[str, ...]) -> dict[str, str]:
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in (*PACKAGES, *further):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


def hardware(device: torch.device, devices: int = 1, stacked: int = 1) -> str:
    """The class that times are comparable inside of: `cpu: AMD EPYC, 1 thread`, or the name of the GPU.

    With `2 x` before it for a run on two of them, and `, 4 seeds stacked` behind it where four were trained at once.
    """
    if device.type == "cuda":
        name = f"cuda: {torch.cuda.get_device_name(device)}"
    else:
        threads = torch.get_num_threads()
        name = f"cpu: {_cpu_name()} {torch.backends.cpu.get_cpu_capability()}, {threads} thread{'s' * (threads > 1)}"
    return f"{f'{devices} x ' * (devices > 1)}{name}{f', {stacked} seeds stacked' * (stacked > 1)}"


def _cpu_name() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1].strip() if match else platform.machine()


def settle_devices() -> None:
    """Where there is no GPU, say so once: optimisers ask at every update, and every answer opens the driver anew."""
    if not torch.cuda.is_available():
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def settle_precision(precision: str, device: torch.device) -> torch.dtype:
    """Let a GPU round products to TF32 where the protocol says so, and nowhere else; the type of all tensors.

    Raises UsageError where there is no GPU to do so.
    """
    if precision == "tf32" and device.type != "cuda":
        raise UsageError("`precision=tf32` should be used on a GPU; others have no such numbers.")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    return torch.float64 if precision == "float64" else torch.float32


def reset_peak_memory(device: torch.device) -> None:
    """Start measuring the peak anew, where the system lets a process do so."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_memory_mb(device: torch.device) -> float:
    """Largest allocated (cuda) or resident (cpu) memory since the reset, in MiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        match = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        match = None
    return int(match[1]) / 2**10 if match else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def without_paths(text: str) -> str:
    """`text` with every absolute path cut to its last part, for messages that are stored."""
    return re.sub(r"(?<![\w.])~?/(?:[^\s'\"`:,;)/]+/)*([^\s'\"`:,;)/]+)", r"\1", text)
