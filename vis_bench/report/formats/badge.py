"""A badge of one number, as a small picture that opens anywhere: SVG without fonts or addresses of others."""

from __future__ import annotations

from xml.sax.saxutils import escape

from vis_bench.records.columns import COLUMNS
from vis_bench.records.rows import Block, Row
from vis_bench.report.tables.text import display_width, one_line, shorten

_LETTER_PX, _HEIGHT_PX = 7, 20
_LABEL, _INK, _VALUE = "#4b5157", "#ffffff", "#0b5cad"


def badge_text(block: Block, row: Row, metric: str) -> str:
    """`AP 36.6 ± 1.6 on shapes test`, the mean over the seeds."""
    column = COLUMNS[metric]
    cell = row.cell(column)
    factor = 100 if column.unit == "fraction" else 1
    number = "undefined" if cell.mean is None else f"{factor * cell.mean:.1f}"
    if cell.sd is not None:
        number += f" ± {factor * cell.sd:.1f}"
    return f"{metric} {number} on {one_line(block.dataset)} {one_line(block.split)}"


def badge_svg(text: str, label: str = "vis-bench") -> str:
    """The picture of a label and a text."""
    shown = shorten(text, 60)
    left, right = (_LETTER_PX * display_width(part) + 12 for part in (label, shown))
    whole = escape(f"{label}: {shown}", {'"': "&quot;"})
    middle = _HEIGHT_PX / 2 + 4
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="{_HEIGHT_PX}" role="img" '
        f'aria-label="{whole}"><title>{whole}</title>'
        f'<rect width="{left + right}" height="{_HEIGHT_PX}" rx="3" fill="{_VALUE}"/>'
        f'<path d="M3 0h{left - 3}v{_HEIGHT_PX}H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3z" fill="{_LABEL}"/>'
        f'<g fill="{_INK}" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2:g}" y="{middle:g}" textLength="{left - 12}">{escape(label)}</text>'
        f'<text x="{left + right / 2:g}" y="{middle:g}" textLength="{right - 12}">{escape(shown)}</text>'
        "</g></svg>\n"
    )
