"""Text that fits a terminal: display width, cleaning, shortening and wrapping.

`len` is not the width on a screen: East Asian characters take two cells, combining marks none, and control
characters move the cursor. Names come from users, so all of them occur.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

ELLIPSIS = "…"
TERMINAL_WIDTH = 80
# one word or two, and the blanks up to a column
_COLUMN = re.compile(r"\s*\S+(?: \S+)? {2,}(?=\S)")
_WIDEST_COLUMN = 40
# what is to be typed, where nothing but it follows
_COMMAND = re.compile(r"(?:^|(?<=: ))(?:python|pip|vis-bench|export|chmod) (?:(?![.;,] ).)*$")


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


def wrap(text: str, width: int, indent: str = "", *, whole_words: bool = False) -> list[str]:
    """Lines of at most `width` cells; continuation lines start with `indent`.

    A longer word is broken, or with `whole_words` alone on a line that is wider: a path can be copied.
    """
    lines: list[str] = []
    current = ""
    for word in text.split():
        first, *rest = [word] if whole_words else _pieces(word, width - len(indent))
        joined = f"{current} {first}" if current.strip() else current + first
        if display_width(joined) > width and current.strip():
            lines.append(current)
            joined = indent + first
        # pieces of one word are never joined by a blank
        *full, current = [joined, *(indent + piece for piece in rest)]
        lines += full
    return [*lines, current] if current.strip() else lines


def message_text(text: str) -> str:
    """`text` for people at a terminal: lines of at most 80 cells; paths, long words and commands stay whole.

    What goes on stands below its beginning where a line starts with a word in a column (`report     PATH`),
    else two blanks further in. Lines that fit are as they were.
    """
    return "\n".join(part for line in text.split("\n") for part in _message_lines(line))


def _message_lines(line: str) -> list[str]:
    if display_width(line) <= TERMINAL_WIDTH:
        return [line]
    found = _COLUMN.match(line)
    if found and len(found[0]) > _WIDEST_COLUMN:
        found = None
    head = found[0] if found else line[: len(line) - len(line.lstrip())]
    indent = " " * display_width(head) if found else head + "  "
    return wrap_behind(head, line[len(head) :], indent)


def wrap_behind(head: str, text: str, indent: str | None = None) -> list[str]:
    """`head` and `text` in lines of 80 cells; long words stay whole.

    Further lines start with `indent`, or below the beginning of `text`.

    So does a command at the end (`...: vis-bench data verify PATH`), on a line of its own: it can be copied.
    """
    if display_width(head + text) <= TERMINAL_WIDTH:
        return [head + text]
    if indent is None:
        indent = " " * display_width(head)
    command = _COMMAND.search(text)
    words = text[: command.start()] if command else text
    # the blanks of the head are kept: they are no place to break a line
    first, *others = wrap(head.replace(" ", "\0") + words, TERMINAL_WIDTH, indent, whole_words=True)
    lines = [first.replace("\0", " "), *others]
    if command is None:
        return lines
    return [*lines, indent + command[0]] if words.strip() else [head + command[0]]


def _pieces(word: str, width: int) -> list[str]:
    pieces = []
    while display_width(word) > width:
        head = _head(word, width)
        pieces.append(head)
        word = word[len(head) :]
    return [*pieces, word]
