"""What a run ran on: versions and the class of the machine, never a path or a host name.

Records are public: nothing here names a person or a place. The module also sets what torch keeps per process, as the
precision of products.
"""

import os
import platform
import re
import resource
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from bench.errors import UsageError, count_nouns

# Those that every run imports and whose versions can change a number or a record.
PACKAGES = ("mtlbench", "torch", "torchvision", "lightning", "numpy", "scikit-learn", "pydantic")


def versions(*further: str) -> dict[str, str]:
    """Package -> version, of PACKAGES and of `further` ones, with `python` and the `system`, as `Linux x86_64`.

    A package that is not installed is `absent`. A fresh dict on each call.
    """
    return dict(_versions(further))


@cache
def _versions(further: tuple[str, ...]) -> dict[str, str]:
    """As `versions`, read once per process: looking up metadata takes milliseconds per package."""
    by_package = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    for package in (*PACKAGES, *further):
        try:
            by_package[package] = version(package)
        except PackageNotFoundError:
            by_package[package] = "absent"
    return by_package


def hardware(device: torch.device, devices: int = 1, stacked: int = 1) -> str:
    """The class of hardware inside which times are comparable: `cpu: AMD EPYC, 1 thread`, or the name of the GPU.

    A run on two devices has `2 x` before it; `, 4 seeds stacked` follows where four seeds were trained at once.
    """
    if device.type == "cuda":
        name = f"cuda: {torch.cuda.get_device_name(device)}"
    else:
        threads = torch.get_num_threads()
        name = f"cpu: {_cpu_name()} {torch.backends.cpu.get_cpu_capability()}, {count_nouns(threads, 'thread')}"
    return f"{f'{devices} x ' * (devices > 1)}{name}{f', {stacked} seeds stacked' * (stacked > 1)}"


def _cpu_name() -> str:
    """The processor's model, on Linux; elsewhere the architecture."""
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1].strip() if match else platform.machine()


def settle_devices() -> None:
    """Hide CUDA from this process where there is no GPU.

    Optimisers ask torch for GPUs at every update, and every answer would open the driver anew.
    """
    if not torch.cuda.is_available():
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def settle_precision(precision: str, device: torch.device) -> torch.dtype:
    """Switch TF32 products on for `precision` `tf32` and off for any other; return the type of all tensors.

    The switch is one per process, so every run sets it. Raises UsageError for `tf32` without a GPU.
    """
    if precision == "tf32" and device.type != "cuda":
        raise UsageError("`precision=tf32` should be used on a GPU; others have no such numbers.")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    return torch.float64 if precision == "float64" else torch.float32


def reset_peak_memory(device: torch.device) -> None:
    """Start measuring the peak anew; where the system does not allow it, the peak of earlier runs stays in it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")  # 5: set VmHWM to the current resident size (man 5 proc)
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
    # Off Linux, the peak since the process began.
    return int(match[1]) / 2**10 if match else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def strip_paths(text: str) -> str:
    """`text` with every absolute path cut to its last part, for messages that are stored."""
    return re.sub(r"(?<![\w.])~?/(?:[^\s'\"`:,;)/]+/)*([^\s'\"`:,;)/]+)", r"\1", text)
