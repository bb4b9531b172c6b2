"""Out of memory, disk or file handles: the error as a sentence that names the limit to raise."""

import errno

LIBRARY = ("failed to map segment", "cannot allocate memory", "cannot map")  # the loader's words
FILES = "Too few files may be open at once: raise the limit with `ulimit -n`, as in `ulimit -n 1024`."
MEMORY = "There is too little memory: free some, or raise the limit with `ulimit -v`."
DISK = "The disk is full: free some space, and the same command continues."
_OF_NUMBER = {
    errno.EMFILE: FILES,
    errno.ENFILE: FILES,
    errno.ENOMEM: MEMORY,
    errno.ENOSPC: DISK,
    errno.EDQUOT: DISK,
}


def scarcity(error: BaseException | None) -> str | None:
    """What was too little, and what to do; None where `error`, and whatever caused it, says nothing of the kind."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _OF_NUMBER:
            return _OF_NUMBER[error.errno]
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in LIBRARY):
            return MEMORY
        error = error.__cause__ or error.__context__
    return None
