"""How numbers are printed in tables."""

from __future__ import annotations

import math

from vis_bench.records.columns import Column, Unit
from vis_bench.records.rows import Row


def format_value(value: float | None, unit: Unit, averaged: bool = False) -> str:
    """A number as tables print it, `-` for None.

    Fractions in percent and rates with one decimal; counts whole, with one decimal when `averaged` over
    seeds; seconds with three significant digits, at most four decimals.
    """
    if value is None:
        return "-"
    if unit == "fraction":
        return _without_minus_zero(f"{100 * value:.1f}")
    if unit == "rate":
        return f"{value:.1f}"
    if unit == "count":
        return f"{value:.1f}" if averaged else f"{value:.0f}"
    digits = 2 - math.floor(math.log10(abs(value))) if value else 3
    return f"{value:.{min(max(digits, 0), 4)}f}"


def _without_minus_zero(text: str) -> str:
    return "0.0" if text == "-0.0" else text


def mean_text(row: Row, column: Column) -> str:
    """The mean of a row's column, `-` where undefined."""
    cell = row.cell(column)
    return format_value(cell.mean, column.unit, averaged=cell.count > 1)


def sd_text(row: Row, column: Column) -> str:
    """The standard deviation of a row's column, empty where there is none."""
    sd = row.cell(column).sd
    return "" if sd is None else format_value(sd, column.unit, averaged=True)


def half_interval_text(row: Row, column: Column) -> str:
    """Half the 95 % interval over seeds of a row's column, empty where there is none."""
    half = row.cell(column).half_interval
    return "" if half is None else format_value(half, column.unit, averaged=True)


def interval_text(row: Row, column: Column) -> str:
    """`low to high` of the 95 % interval over seeds, cut at the ends of its range; `-` for none."""
    cell = row.cell(column)
    if cell.mean is None or cell.half_interval is None:
        return "-"
    least, largest = column.bounds
    ends = (max(least, cell.mean - cell.half_interval), min(largest, cell.mean + cell.half_interval))
    return " to ".join(format_value(end, column.unit, averaged=True) for end in ends)


def mean_and_sd_text(row: Row, column: Column) -> str:
    """`mean ± sd`, or the mean alone where there is no standard deviation."""
    sd = sd_text(row, column)
    return f"{mean_text(row, column)} ± {sd}" if sd else mean_text(row, column)
