"""The table of association rules over the same frame predictions, within 80 columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vis_bench.records.columns import choose_columns, read_value
from vis_bench.report.tables.cell_text import format_value
from vis_bench.report.tables.text import pad_left, pad_right, shorten, wrap

COLUMNS = ("AP", "AP50", "AR10", "fAP50", "HOTA", "AssA", "IDF1", "IDs")
_LABEL_WIDTH = 24


def rule_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """One line per rule. results: the dictionary of `scoring.evaluate.evaluate` by the rule's name."""
    columns = choose_columns(COLUMNS)
    lines = [pad_right("association rule", _LABEL_WIDTH) + "".join(pad_left(c.name, 7) for c in columns)]
    lines.append("-" * (_LABEL_WIDTH + 7 * len(columns)))
    for name, metrics in results.items():
        record = {"metrics": metrics}
        cells = [format_value(read_value(record, column), column.unit) for column in columns]
        label = pad_right(shorten(name, _LABEL_WIDTH - 1), _LABEL_WIDTH)
        lines.append(label + "".join(pad_left(cell, 7) for cell in cells))
    note = (
        "The same detections under each rule: fAP50 differs only where a rule leaves detections out or "
        "where scores of whole tracks rank them otherwise. HOTA to IDs: class-agnostic, each rule at its "
        "operating point (the score threshold with the best IDF1 on the other half of the videos)."
    )
    return "\n".join([*lines, "", *wrap(note, 80)])
