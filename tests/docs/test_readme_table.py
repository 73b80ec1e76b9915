"""README: short, and its table is what the command beside it prints from the committed records."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from shown import ROOT

from vis_bench.setup.plugins import method_names

README = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = 120
REPORT = re.compile(r"`(vis-bench report results/[^`]+)`")


def rows(markdown: str) -> dict[str, dict[str, str]]:
    """Cells by column of each row that begins with a method; its first one counts, of the main table."""
    found: dict[str, dict[str, str]] = {}
    columns: list[str] = []
    for line in markdown.splitlines():
        if not line.startswith("|"):
            columns = []
            continue
        cells = [cell.strip().replace("\\", "") for cell in line.strip("|").split("|")]
        columns = columns or cells
        name = cells[0] = re.sub(r"\[(.+)\]\(.+\)", r"\1", cells[0])
        if columns[0] == "method" and "AP" in columns and name in method_names():
            found.setdefault(name, dict(zip(columns, cells, strict=True)))
    return found


def test_readme_has_at_most_120_lines_one_table_and_one_picture() -> None:
    assert len(README.splitlines()) <= LINES
    assert len(re.findall(r"^\|[\s:|-]+\|$", README, re.MULTILINE)) == 1
    assert README.count("![") == 1


@pytest.mark.slow
def test_the_table_is_what_its_command_prints(tmp_path: Path) -> None:
    matched = REPORT.search(README)
    assert matched is not None, "no `vis-bench report results/...` beside the table"
    command = shlex.split(matched.group(1))[1:]
    command[command.index("--out") + 1] = str(tmp_path / "report")
    subprocess.run([sys.executable, "-m", "vis_bench", *command, "--no-pictures"], cwd=ROOT, check=True)
    printed = rows((tmp_path / "report" / "report.md").read_text(encoding="utf-8"))
    shown = rows(README)
    assert sorted(shown) == sorted(method_names()), "README's table has a row for every method"
    for name, cells in shown.items():
        numbers = [column for column in cells if column not in ("method", "paradigm", "paper")]
        assert [cells[column] for column in numbers] == [printed[name][column] for column in numbers], name


def test_rows_of_other_tables_are_not_taken() -> None:
    text = "| method | AP |\n|---|---|\n| [stc](x) | 1.0 |\n\n| method | AP |\n|---|---|\n| stc | 2.0 |\n"
    assert rows(text) == {"stc": {"method": "stc", "AP": "1.0"}}
