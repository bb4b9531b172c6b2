"""Too few open files, too little memory, a full disk: in a sentence that says what to raise or free.

The command line and engines ask here what an error means before they print it.
"""

import errno
import sys

# Texts of errors that carry no number, as those of the dynamic loader.
FILES = ("too many open files",)
MEMORY = ("failed to map segment", "cannot allocate memory", "can't allocate memory", "cannot map")
DISK = "The disk is full: free some space, and the same command continues."


def explain_shortage(error: BaseException | str) -> str:
    """One sentence on the resource that ran out, where an error says so; empty for any other error.

    error: an exception, whose causes are followed, or the text of one, as a worker left it.
    """
    if isinstance(error, str):
        return _explain(None, error)
    link: BaseException | None = error
    while link is not None:
        if sentence := _explain(link, str(link)):
            return sentence
        if isinstance(link, OSError):  # it has a message of its own, which says more than its cause
            return ""
        link = link.__cause__ or link.__context__
    return ""


def _explain(error: BaseException | None, text: str) -> str:
    """The sentence for one error by its number or its text; empty where it means no shortage."""
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
    """Raise OSError with one sentence where this process may open fewer than `least` files.

    what: who needs them, the beginning of the sentence.
    """
    most = _limit("NOFILE")
    if most is not None and most < least:
        raise OSError(
            f"{what} should be allowed {least} open files. Found {most}; raise that, as with `ulimit -n 1024`, or give "
            "fewer `--jobs`."
        )


def describe_memory_limit() -> str:
    """The limit of memory, for the end of a sentence about a process that died; empty where there is none."""
    most = _limit("AS")
    return "" if most is None else f"; `ulimit -v` allows it {most >> 20:,} MB of memory, which may be too little"


def _limit(name: str) -> int | None:
    """The soft limit of this process, in bytes or files; None where it has none, and on Windows.

    name: as the constants of `resource` have it, without `RLIMIT_`.
    """
    if sys.platform == "win32":
        return None
    import resource

    soft, _ = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
    return None if soft == resource.RLIM_INFINITY else soft
