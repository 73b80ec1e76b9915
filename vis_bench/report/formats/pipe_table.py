"""Markdown pieces: escaping of names, tables, links and code blocks (GitHub's dialect)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from vis_bench.report.tables.text import one_line

# Characters with a meaning anywhere in a line, addresses that would become links, and what opens a heading,
# a list or a quotation at the beginning of a line.
_INLINE = re.compile(r"([\\`*_\[\]<>!|~&$]|:(?=//))")
_BLOCK_START = re.compile(r"^([#+=-]|\d+(?=[.)](?:\s|$)))")


def escape(text: str) -> str:
    """`text` on one line, so that Markdown shows it letter by letter, inside table cells too."""
    inline = _INLINE.sub(r"\\\1", one_line(text))
    return _BLOCK_START.sub(_escape_start, inline)


def _escape_start(match: re.Match[str]) -> str:
    start = match.group(1)
    return f"&#{ord(start[0])};{start[1:]}" if start[0].isdigit() else f"\\{start}"


def pipe_table(header: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """A table of ready Markdown cells; the first `text_columns` are left-aligned, numbers right-aligned."""
    rule = [":--" if position < text_columns else "--:" for position in range(len(header))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (header, rule, *rows))


def image(label: str, relative_path: str) -> str:
    """An image with its label as alternative text; the path is percent-encoded, `/` separated."""
    return f"![{escape(label)}]({quote(relative_path)})"


def code_block(text: str, language: str = "") -> str:
    """A fenced block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
