"""How a CSV was saved: its encoding and its separator are told from the file itself. Pure."""

import codecs
import re

# The longest first: the mark of UTF-32 begins like that of UTF-16.
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
CHARSETS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "utf-16": "utf-16-le", "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be", "windows-1252": "windows-1252", "iso-8859-1": "windows-1252",
}  # fmt: skip
SEPARATORS = (",", ";", "\t")
# What Excel takes as a hint, and writes.
HINT = re.compile(r'"?sep=([,;\t|])"?(?:\r\n?|\n)')


def encoding_of(head: bytes, otherwise: str | None = None) -> tuple[str, int]:
    """Of a file by its first bytes, and how many of these are a mark. `otherwise`: what holds where there is none."""
    for mark, marked in MARKS:
        if head.startswith(mark):
            return marked, len(mark)
    return otherwise or _guessed(head), 0


def _guessed(head: bytes) -> str:
    """Without a mark: a header is of letters that every encoding has, so that in UTF-16 every other byte is zero."""
    if head[1:2] == b"\0":
        return "utf-16-le"
    return "utf-16-be" if head[:1] == b"\0" else "utf-8"
