"""Text that fits a terminal: display width, cleaning, shortening and wrapping.

`len` is not the width on a screen: East Asian characters take two cells, combining marks none, and control
characters move the cursor. Names come from users, so all of them occur.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

ELLIPSIS = "…"


def _cells(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Me", "Mn"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def display_width(text: str) -> int:
    """Number of terminal cells that `text` takes (no control characters expected)."""
    return sum(_cells(character) for character in text)


def one_line(text: str) -> str:
    """`text` on one line: runs of white space become one blank, control and format characters `?`.

    Format characters include those that reverse the direction of writing, which would scramble a table row.
    """
    joined = " ".join(text.split())
    return "".join("?" if unicodedata.category(character)[0] == "C" else character for character in joined)


def no_formula(text: str) -> str:
    """`text` for a cell of a CSV file: a spreadsheet would compute what begins like a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _head(text: str, width: int) -> str:
    kept, used = "", 0
    for character in text:
        used += _cells(character)
        if used > width:
            break
        kept += character
    return kept


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` >= 1 cells; what is cut from the middle is shown as one ellipsis.

    The middle goes, because names of one family share the beginning and differ at the end.
    """
    if display_width(text) <= width:
        return text
    head_width = width // 2
    tail = _head(text[::-1], width - 1 - head_width)[::-1]
    return _head(text, head_width) + ELLIPSIS + tail


def shorten_all(texts: Sequence[str], width: int) -> list[str]:
    """Each as `shorten` has it; different ones that would look the same are numbered."""
    short = {text: shorten(text, width) for text in texts}
    for same in {one for one in short.values() if list(short.values()).count(one) > 1}:
        for number, text in enumerate([text for text in short if short[text] == same], start=1):
            mark = f" ({number})"
            short[text] = shorten(text, max(1, width - len(mark))) + mark
    return [short[text] for text in texts]


def cut_end(text: str, width: int) -> str:
    """`text` in at most `width` >= 1 cells; a cut end is shown as one ellipsis (for messages)."""
    return text if display_width(text) <= width else _head(text, width - 1).rstrip() + ELLIPSIS


def pad_left(text: str, width: int) -> str:
    """Right-aligned in `width` cells."""
    return " " * (width - display_width(text)) + text


def pad_right(text: str, width: int) -> str:
    """Left-aligned in `width` cells."""
    return text + " " * (width - display_width(text))


def wrap(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most `width` cells; continuation lines start with `indent`. A longer word is broken."""
    lines: list[str] = []
    current = ""
    for word in _broken(text.split(), width - len(indent)):
        joined = f"{current} {word}" if current.strip() else current + word
        if display_width(joined) > width and current.strip():
            lines.append(current)
            joined = indent + word
        current = joined
    return [*lines, current] if current.strip() else lines


def _broken(words: Sequence[str], width: int) -> list[str]:
    pieces: list[str] = []
    for word in words:
        rest = word
        while display_width(rest) > width:
            head = _head(rest, width)
            pieces.append(head)
            rest = rest[len(head) :]
        pieces.append(rest)
    return pieces
