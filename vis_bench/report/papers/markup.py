"""A published table beside what was measured, as Markdown and as LaTeX (booktabs)."""

from __future__ import annotations

import re

from vis_bench.report.formats.latex import FIT
from vis_bench.report.formats.pipe_table import escape, pipe_table
from vis_bench.report.papers.cells import ComparedRow
from vis_bench.report.papers.claims import claims_table
from vis_bench.report.papers.notes import footnotes, marks, number
from vis_bench.report.papers.table import (
    Comparison,
    about_lines,
    cells_by_metric,
    legend,
    letters_of,
    published_text,
    row_title,
    status_text,
    value_text,
)


def _flat(comparison: Comparison, row: ComparedRow, letters: dict[str, str]) -> list[tuple[str, str, str]]:
    """(published, its letters, measured) per column; spreads behind ±."""
    cells, found = cells_by_metric(row), []
    for metric in comparison.columns:
        published = published_text(row, metric)
        if metric in row.row.std:
            published += f" ± {number(row.row.std[metric])}"
        cell = cells.get(metric)
        measured = value_text(cell, cell.measured) if cell is not None else ""
        if cell is not None and cell.sd is not None:
            measured += f" ± {value_text(cell, cell.sd)}"
        found.append((published, letters_of(row, metric, letters), measured))
    return found


def as_markdown(comparison: Comparison) -> str:
    """One table with `published / measured` in every cell, and its footnotes."""
    letters = marks(comparison.rows)
    body = []
    for row in comparison.rows:
        cells = [
            escape(published)
            + (f"<sup>{note}</sup>" if note else "")
            + (f" / {measured}" if measured else "")
            for published, note, measured in _flat(comparison, row, letters)
        ]
        body.append([escape(row_title(comparison, row)), *cells, escape(status_text(row))])
    header = ["method", *map(escape, comparison.columns), "status"]
    notes = [
        f"<sup>{letter}</sup> {escape(text)}"
        for letter, text in footnotes(comparison.published_tables, comparison.rows, comparison.where)
    ]
    lines = [
        f"## {escape(comparison.where)}: {escape(comparison.table.caption)}",
        "",
        escape(" ".join(about_lines(comparison)) + " Cells: published / measured."),
        "",
        pipe_table(header, body),
        "",
        *[part for note in notes for part in (note, "")],
        *_claims(comparison),
        escape(legend()),
        "",
        *(f"- {escape(text)}" for text in (*comparison.table.notes, *comparison.paper.differences)),
    ]
    return "\n".join(lines)


def _claims(comparison: Comparison) -> list[str]:
    if not comparison.claims:
        return []
    header, body = claims_table(comparison.claims)
    about = (
        f"Claims, measured on {comparison.on}: differences in points, 95 % interval over seeds and videos."
    )
    return [escape(about), "", pipe_table(header, [[escape(cell) for cell in row] for row in body]), ""]


_LATEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "±": r"\ensuremath{\pm}",
}


def latex_escape(text: str) -> str:
    """`text` with the characters that LaTeX gives a meaning to written out."""
    return re.sub(r"[\\&%$#_{}~^<>±]", lambda match: _LATEX[match.group()], text)


def as_latex(comparison: Comparison) -> str:
    """A `tabular` with booktabs rules, `published / measured` in every cell, and its footnotes."""
    letters = marks(comparison.rows)
    columns = comparison.columns
    lines = [
        f"% {comparison.where}; needs booktabs and graphicx; cells: published / measured",
        FIT,
        f"\\par\\noindent\\visbenchfit{{\\begin{{tabular}}{{l{'r' * len(columns)}l}}",
        "\\toprule",
        " & ".join(["Method", *map(latex_escape, columns), "Status"]) + r" \\",
        "\\midrule",
    ]
    for row in comparison.rows:
        cells = [
            latex_escape(published)
            + (f"\\textsuperscript{{{note}}}" if note else "")
            + (f" / {latex_escape(measured)}" if measured else "")
            for published, note, measured in _flat(comparison, row, letters)
        ]
        title = latex_escape(row_title(comparison, row))
        lines.append(" & ".join([title, *cells, latex_escape(row.status)]) + r" \\")
    lines += ["\\bottomrule", "\\end{tabular}}", ""]
    lines += [
        f"\\par\\noindent{{\\footnotesize \\textsuperscript{{{letter}}} {latex_escape(text)}}}"
        for letter, text in footnotes(comparison.published_tables, comparison.rows, comparison.where)
    ]
    return "\n".join(lines).rstrip()
