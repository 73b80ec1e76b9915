"""docs/findings.md: what its tables say of the difficulty sets is what `vis-bench compare` says."""

from __future__ import annotations

import re

import pytest
from difficulty_tables import COMMAND, PAGE, SETS, cell, renewed

TEXT = PAGE.read_text(encoding="utf-8")


@pytest.mark.shown
def test_the_tables_are_what_the_commands_give() -> None:
    assert len(COMMAND.findall(TEXT)) == 3
    assert all(TEXT.count(f"| `shapes-{name}` |") == 3 for name in SETS)
    assert renewed(TEXT) == TEXT, "python tests/docs/difficulty_tables.py renews the tables"


def test_what_is_said_below_the_tables_stands_in_them() -> None:
    tables, said = TEXT[TEXT.index("## What is hard") :].split(
        "What the verdicts support, for these weights:"
    )
    numbers = re.findall(r"\d+\.\d", said)
    assert len(numbers) > 5
    assert set(numbers) <= set(re.findall(r"\| [+-](\d+\.\d) \(", tables))


def test_a_cell_has_difference_interval_and_verdict() -> None:
    found = {"comparisons": [{"mean": 12.34, "low": -0.06, "high": 24.0, "verdict": "undecided"}]}
    assert cell(found) == "+12.3 (-0.1 to +24.0) undecided"
