"""The report of speed: tables, files of numbers and pictures in one folder, from records only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from vis_bench.files import write_text
from vis_bench.records.speed import CURVE_SUFFIX, SUFFIX, CurveRecord, SpeedRecord, read_curve, read_speed
from vis_bench.report.papers.published import published_library
from vis_bench.report.speed.curve_table import curve_csv, curve_groups, curve_markdown, curve_table
from vis_bench.report.speed.curves import draw_curves
from vis_bench.report.speed.published import published_lines, published_markdown
from vis_bench.report.speed.table import speed_csv, speed_markdown, speed_table
from vis_bench.report.tables.text import TERMINAL_WIDTH, wrap


def read_speed_records(places: Iterable[Path]) -> tuple[list[SpeedRecord], list[CurveRecord]]:
    """Records of speed and curves at or below the given folders. Raises DataError for one that is broken."""
    folders = list(places)
    return (
        [read_speed(path) for place in folders for path in sorted(place.rglob(f"*{SUFFIX}"))],
        [read_curve(path) for place in folders for path in sorted(place.rglob(f"*{CURVE_SUFFIX}"))],
    )


def speed_text(records: Sequence[SpeedRecord]) -> str:
    """The terminal tables, and how they lie beside the papers."""
    lines = [
        line for text in published_lines(records, published_library()) for line in wrap(text, TERMINAL_WIDTH)
    ]
    return "\n".join([speed_table(records), *(["", *lines] if lines else [])])


def write_speed_folder(folder: Path, records: Sequence[SpeedRecord]) -> Path:
    """Write `speed.md` and `speed.csv`; returns the path of the page."""
    page = "\n".join([speed_markdown(records), published_markdown(records, published_library())])
    write_text(folder / "speed.md", page.rstrip() + "\n")
    write_text(folder / "speed.csv", speed_csv(records))
    return folder / "speed.md"


def write_curves(folder: Path, records: Sequence[CurveRecord]) -> list[Path]:
    """Write a page, a CSV file and a picture per kind of curve and group; returns the pictures."""
    pictures = []
    for curve in dict.fromkeys(record.curve for record in records):
        chosen = [record for record in records if record.curve == curve]
        write_text(folder / f"curve-{curve}.csv", curve_csv(chosen))
        names = []
        for number, group in enumerate(curve_groups([record for record in chosen if record.points])):
            name = f"curve-{curve}.png" if number == 0 else f"curve-{curve}-{number + 1}.png"
            draw_curves(folder / name, group)
            names.append(name)
        write_text(folder / f"curve-{curve}.md", curve_markdown(chosen, names))
        pictures += [folder / name for name in names]
    return pictures


def curves_text(records: Sequence[CurveRecord]) -> str:
    """The terminal tables of curves, one kind after the other."""
    kinds = dict.fromkeys(record.curve for record in records)
    return "\n\n".join(curve_table([record for record in records if record.curve == kind]) for kind in kinds)
