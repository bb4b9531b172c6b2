"""What people have in place of a data file, told from its first bytes.

Readers of suites use it, so that "cannot be read" becomes "Found a web page".
"""

# Marks are in lower case, as the head of a file is when it is compared with them.
_KNOWN: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a pointer of Git LFS, which `git lfs pull` replaces by the file"),
    (b"<!doctype", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "XML, as servers send in place of a file"),
    (b"{", "JSON, as servers send in place of a file"),
    (b"pk\x03\x04", "a ZIP archive; unpack it first"),
    (b"\x1f\x8b", "a file packed by gzip; unpack it first"),
    (b"\x89hdf\r\n", "HDF5"),
    (b"matlab 7.3", "a MATLAB file of version 7.3, that is HDF5; save it again with `-v7`"),
    (b"matlab 5.0", "a MATLAB file"),
    (b"\x89png", "a PNG image"),
)


def identify_content(head: bytes) -> str:
    """What kind of file begins with `head`, as the end of a sentence.

    head: the first bytes of a file; a few dozen are enough. A byte order mark and blanks are skipped.

    Returns "an empty file", the name of a known kind with its remedy, or "a file of another kind".
    """
    if not head:
        return "an empty file"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((name for mark, name in _KNOWN if start.startswith(mark)), "a file of another kind")
