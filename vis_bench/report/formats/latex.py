"""The tables of a report in LaTeX with booktabs.

No number is bold: the best of a column is a claim, and this report makes none (`vis-bench compare` does).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from vis_bench.files import write_text
from vis_bench.report.tables.blocks import Table
from vis_bench.report.tables.page import BlockPart, Page
from vis_bench.report.tables.text import one_line

LATEX_NAME = "table.tex"
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "±": r"\ensuremath{\pm}",
    "…": r"\ldots{}",
}
_ANY_SPECIAL = re.compile("|".join(map(re.escape, _SPECIAL)))
# LaTeX sets these pairs as one sign
_LIGATURE = re.compile(r"(?<=-)(?=-)|(?<=`)(?=`)|(?<=')(?=')|(?<=[?!])(?=`)")
_HEAD = r"""% Written by vis-bench. The preamble needs booktabs, graphicx and \usepackage[T1]{fontenc}.
% Mean and sample standard deviation over seeds; no value is marked as best: that takes a verdict."""

FIT = (
    r"\providecommand{\visbenchfit}[1]{\sbox0{#1}\ifdim\wd0>\linewidth"
    r"\resizebox{\linewidth}{!}{\usebox0}\else\usebox0\fi}"
)
"""A command that shrinks a table to the width of the line where it is wider; needs graphicx."""


def write_latex(folder: Path, page: Page) -> Path:
    """Write table.tex: one floating table per table of a block, and one of the methods; returns its path."""
    parts = [_HEAD, FIT]
    for number, part in enumerate(page.blocks, start=1):
        parts += _block(number, part, page.legend)
    parts.append(latex_table(page.methods, page.methods.title, "methods"))
    write_text(folder / LATEX_NAME, "\n\n".join(parts) + "\n")
    return folder / LATEX_NAME


def _block(number: int, part: BlockPart, legend: Sequence[str]) -> list[str]:
    found = [
        latex_table(part.main, " ".join([f"{part.heading}.", *legend, *part.main.notes]), f"block{number}")
    ]
    if part.intervals is not None:
        caption = f"{part.intervals.title}: {part.heading}. {part.intervals.about}"
        found.append(latex_table(part.intervals, caption, f"block{number}-intervals"))
    if part.categories is not None:
        caption = f"{part.categories.title}, percent: {part.heading}."
        found.append(latex_table(part.categories, caption, f"block{number}-categories"))
    for table in part.tracking:
        caption = f"Tracking by score threshold, {table.title.lower()}: {part.heading}. {table.about}"
        found.append(latex_table(table, caption, f"block{number}-{table.title.lower().replace(' ', '-')}"))
    return found


def latex_table(table: Table, caption: str, label: str) -> str:
    """A floating table; caption: plain text. label: letters, digits and hyphens."""
    named = table.text_columns
    columns = "l" * named + "r" * (len(table.header) - named)
    lines = [
        " & ".join([*map(escape_latex, line[:named]), *map(_number, line[named:])]) + r" \\"
        for line in table.lines
    ]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            r"\small",
            r"\setlength{\tabcolsep}{3pt}",
            rf"\caption{{{escape_latex(caption)}}}",
            rf"\label{{tab:{label}}}",
            # article leaves no room between a caption and the table below it
            r"\vspace{4pt}",
            rf"\visbenchfit{{\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            " & ".join(map(escape_latex, table.header)) + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}}",
            r"\end{table}",
        ]
    )


def escape_latex(text: str) -> str:
    """`text` on one line, so that LaTeX sets it letter by letter, at the start of a table cell too."""
    ready = _ANY_SPECIAL.sub(lambda found: _SPECIAL[found.group()], _LIGATURE.sub("\0", one_line(text)))
    ready = ready.replace("\0", "{}")
    # a bracket behind \\ would be read as its argument
    return f"{{}}{ready}" if ready.startswith(("[", "*")) else ready


def _number(text: str) -> str:
    """A number with a true minus sign; `-` alone stays a dash."""
    return re.sub(r"^-(?=\d)", lambda _: r"\ensuremath{-}", escape_latex(text))
