"""Too few open files, too little memory, a full disk: in a sentence that says what to raise or free."""

import errno
import sys

# Texts of errors that carry no number, as those of the dynamic loader.
FILES = ("too many open files",)
MEMORY = ("failed to map segment", "cannot allocate memory", "can't allocate memory", "cannot map")
DISK = "The disk is full: free some space, and the same command continues."


def explain_shortage(error: BaseException | str) -> str:
    """What is short where that is what an error, its cause or the text of one means; nothing otherwise."""
    if isinstance(error, str):
        return _explain(None, error)
    link: BaseException | None = error
    while link is not None:
        if sentence := _explain(link, str(link)):
            return sentence
        if isinstance(link, OSError):  # a sentence of its own, which says more than its cause
            return ""
        link = link.__cause__ or link.__context__
    return ""


def _explain(error: BaseException | None, text: str) -> str:
    number, text = getattr(error, "errno", None), text.lower()
    if number in (errno.ENOSPC, errno.EDQUOT):
        return DISK
    if number in (errno.EMFILE, errno.ENFILE) or any(words in text for words in FILES):
        return f"More files should be open at a time than {_limit('NOFILE')}; raise that, as with `ulimit -n 1024`."
    if isinstance(error, MemoryError) or number == errno.ENOMEM or any(words in text for words in MEMORY):
        most = _limit("AS")
        if most is None:
            return "More memory should be free than this machine has; end other programs, or give fewer `--jobs`."
        return f"More memory should be addressable than {most >> 20:,} MB; raise that, as with `ulimit -v unlimited`."
    return ""


def check_open_files(least: int, what: str) -> None:
    """Raise OSError with one sentence where fewer than `least` files may be open, which `what` takes."""
    most = _limit("NOFILE")
    if most is not None and most < least:
        raise OSError(
            f"{what} should be allowed {least} open files. Found {most}; raise that, as with `ulimit -n 1024`, or give "
            "fewer `--jobs`."
        )


def describe_memory_limit() -> str:
    """For the end of a sentence about a process that died: the limit of memory that may be why; nothing without one."""
    most = _limit("AS")
    return "" if most is None else f"; `ulimit -v` allows it {most >> 20:,} MB of memory, which may be too little"


def _limit(name: str) -> int | None:
    """What the system allows this process; None without a limit."""
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
    return None if soft == resource.RLIM_INFINITY else soft
