"""Every record below results/ is shown somewhere, and beside every table stands what makes it again.

The rule for README.md and docs/: a table, or a block of output, that looks measured has, in the block of text
directly above or below it, one of

- a command that prints tables, with the place below results/ or tests/ that it reads, or
  `vis-bench methods show` (in a console block, in `inline code`, or as `<!-- from: COMMAND -->`),
- `<!-- no record: REASON -->`, where its numbers come from no run: definitions, options, published values,
- `<!-- no command: REASON -->`, naming the record below results/, where it was measured by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer.main

from vis_bench.cli import _application
from vis_bench.records.run import PREDICTIONS_NAME, RECORD_NAME
from vis_bench.records.speed import CURVE_SUFFIX, SUFFIX

ROOT = Path(__file__).parents[1]
RESULTS, REPORTS = ROOT / "results", ROOT / "reports"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
METHODS = tuple(sorted((ROOT / "methods").glob("*/README.md")))
TEXTS = (*PAGES, *METHODS, *sorted(REPORTS.glob("*/*.md")))

MEASURED = re.compile(r"\d\.\d|\b(AP\d*|IDF1|GB)\b|s/frame")
OUTPUT = ("", "text")
PROGRAM = re.compile(r"(?:[A-Z0-9_]+=\S+ )*(vis-bench|pytest|python3?) ")
PLACE = re.compile(r"\b(?:results|tests)/[\w@+./-]*[\w@+-]")
MARK = re.compile(r"<!-- (no record|no command|from): (.+?) -->", re.DOTALL)
CODE = re.compile(r"`([^`]+)`")
# what prints numbers of records; the others of `vis-bench` make records, or check them
TABLES = re.compile(
    r"vis-bench (report|compare|reproduce|eval|explain|run .*--dry-run)\b|(\w+=\S+ )*(pytest|python)"
)
RULE = "see the top of tests/test_results.py"


@dataclass(frozen=True, slots=True)
class Block:
    """A run of lines of one kind. kind: text, table, comment, or `fence LANGUAGE`; line: of its first one."""

    kind: str
    line: int
    text: str

    def shows_numbers(self) -> bool:
        output = self.kind == "table" or self.kind in {f"fence {name}" for name in OUTPUT}
        return output and MEASURED.search(self.text) is not None

    def commands(self) -> list[str]:
        """Commands for a shell, without what a console block has behind a `#`."""
        if self.kind == "comment":
            lines = [text for kind, text in MARK.findall(self.text) if kind == "from"]
        elif self.kind in {"fence console", "fence sh"}:
            lines = self.text.splitlines()
        elif self.kind == "text":
            lines = CODE.findall(" ".join(self.text.split()))
        else:
            lines = []
        return [line.split(" #")[0].strip() for line in lines if PROGRAM.match(line)]


def blocks(text: str) -> list[Block]:
    """What a page consists of, in order; blank lines end a block and belong to none."""
    found: list[Block] = []
    kind, lines = "", list[str]()

    def close(number: int) -> None:
        nonlocal kind, lines
        if lines:
            found.append(Block(kind, number - len(lines), "\n".join(lines)))
        kind, lines = "", []

    for number, line in enumerate(text.splitlines(), 1):
        if kind.startswith("fence") or (kind == "comment" and "-->" not in lines[-1]):
            lines.append(line)
            if kind.startswith("fence") and line.startswith("```"):
                close(number + 1)
            continue
        if line.startswith("```"):
            starts = f"fence {line.strip('` ')}"
        elif not line.strip():
            starts = ""
        else:
            starts = "table" if line.startswith("|") else "comment" if line.startswith("<!--") else "text"
        if starts != kind:
            close(number)
            kind = starts
        if kind:
            lines.append(line)
    close(len(text.splitlines()) + 1)
    return found


def makes_a_table(command: str) -> bool:
    if command.startswith("vis-bench methods show "):
        return True
    return TABLES.match(command) is not None and PLACE.search(command) is not None


def explained(block: Block) -> bool:
    """Whether the block says where the numbers beside it come from."""
    marks = MARK.findall(block.text) if block.kind == "comment" else []
    if any(kind == "no record" or (kind == "no command" and "results/" in text) for kind, text in marks):
        return True
    return any(makes_a_table(command) for command in block.commands())


def unexplained(text: str) -> list[int]:
    """Lines at which tables start that look measured and have nothing beside them that makes them again."""
    page = blocks(text)
    return [
        block.line
        for position, block in enumerate(page)
        if block.shows_numbers()
        and not any(explained(other) for other in page[max(position - 1, 0) : position + 2] if other != block)
    ]


def known_commands() -> dict[str, set[str]]:
    """Every command of `vis-bench` with its subcommands."""
    root = typer.main.get_command(_application())
    return {name: set(getattr(command, "commands", ())) for name, command in root.commands.items()}  # type: ignore[attr-defined]


def faults(command: str) -> list[str]:
    """What is wrong with a printed command: an unknown name, or a place that is not there."""
    words = command.split()
    found = [f"no {place}" for place in PLACE.findall(command) if not (ROOT / place).exists()]
    if words[0] == "vis-bench" and words[1:2] and not words[1].startswith("-"):
        known = known_commands()
        if words[1] not in known:
            found.append(f"no command {words[1]}")
        elif known[words[1]] and words[2:3] and words[2] not in known[words[1]]:
            found.append(f"no command {words[1]} {words[2]}")
    return found


def named_in(texts: str, place: str) -> bool:
    """Whether the texts have the place as a whole: results/shapes is not named by results/shapes-quick."""
    return re.search(rf"{re.escape(place)}(?![\w-])", texts) is not None


def is_record(path: Path) -> bool:
    return path.name == RECORD_NAME or path.name.endswith((SUFFIX, CURVE_SUFFIX)) or path.suffix == ".txt"


def files() -> list[Path]:
    return sorted(path for path in RESULTS.rglob("*") if path.is_file())


def test_every_record_is_named_by_a_text_or_a_report() -> None:
    texts = "\n".join(path.read_text(encoding="utf-8") for path in TEXTS)
    lost = []
    for path in filter(is_record, files()):
        inside = path.relative_to(RESULTS)
        # a folder of runs is shown as a whole (test_results_shown.py asks for each run); texts stand beside
        # each other without a common use
        place = f"results/{inside.as_posix() if path.suffix == '.txt' else inside.parts[0]}"
        if not named_in(texts, place):
            lost.append(
                f"results/{inside.as_posix()}: no text names {place}; name it where it is used (a report:"
            )
    assert not lost, "\n".join([*lost, "in the table of docs/reports.md), or remove it."])


def test_results_hold_records_and_the_predictions_that_something_reads() -> None:
    commands = " ".join(
        command
        for path in TEXTS
        for block in blocks(path.read_text(encoding="utf-8"))
        for command in block.commands()
    )
    superfluous = []
    for path in files():
        folder = path.relative_to(RESULTS).parts[0]
        read = path.name == PREDICTIONS_NAME and named_in(commands, f"results/{folder}")
        if not (is_record(path) or read):
            superfluous.append(path.relative_to(ROOT).as_posix())
    assert not superfluous, (
        "neither a record nor predictions that a printed command scores again; remove: "
        + ", ".join(superfluous)
    )


def test_every_report_has_its_command_in_the_table_of_docs() -> None:
    rows = [
        row
        for row in (ROOT / "docs" / "reports.md").read_text(encoding="utf-8").splitlines()
        if "--out" in row
    ]
    for folder in sorted(path.name for path in REPORTS.iterdir() if path.is_dir()):
        made = [c for row in rows for c in CODE.findall(row) if c.endswith(f" --out reports/{folder}")]
        assert made, f"reports/{folder}: docs/reports.md has no row with the command that makes it."
        assert not faults(made[0]), f"{made[0]}: {faults(made[0])}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_beside_every_measured_table_stands_what_makes_it_again(path: Path) -> None:
    lines = unexplained(path.read_text(encoding="utf-8"))
    assert not lines, (
        f"{path.relative_to(ROOT)}: numbers without the command that makes them, at line "
        f"{', '.join(map(str, lines))}; {RULE}."
    )


@pytest.mark.parametrize("path", [*PAGES, *METHODS], ids=lambda path: path.relative_to(ROOT).as_posix())
def test_printed_commands_exist_and_so_do_the_records_they_name(path: Path) -> None:
    page = blocks(path.read_text(encoding="utf-8"))
    wrong = [
        f"{path.relative_to(ROOT)}, line {block.line}: {command}: {fault}"
        for block in page
        for command in block.commands()
        for fault in faults(command)
    ]
    for block in page:
        if block.kind == "comment":
            wrong += [
                f"{path.relative_to(ROOT)}, line {block.line}: no {place}"
                for place in PLACE.findall(block.text)
                if not (ROOT / place).exists()
            ]
    assert not wrong, "\n".join(wrong)


TABLE = "| method | AP |\n|---|---|\n| stc | 43.1 |"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (TABLE, [1]),
        (f"Words.\n\n{TABLE}\n\nMore words, `vis-bench compare`.", [3]),
        ("```text\nstc  43.1\n```", [1]),
        ("```\nstc  43.1\n```", [1]),
        ("```python\nAP = 43.1\n```", []),
        ("| a | b |\n|---|---|\n| 12 frames | one |", []),
        (f"```console\nvis-bench report results/study --out x\n```\n\n{TABLE}", []),
        (f"{TABLE}\n\nMade by `vis-bench report\nresults/study --out x`.", []),
        (f"<!-- from: pytest -s tests/benchmarks/test_bench_coverage.py -->\n{TABLE}", []),
        (f"<!-- no record: values of the paper -->\n\n{TABLE}", []),
        (f"<!-- no command: timed by hand, results/clip-level/tried.txt -->\n{TABLE}", []),
        (f"<!-- no command: timed by hand -->\n{TABLE}", [2]),
        (f"```console\nvis-bench report results/study --out x\n```\n\nWords.\n\n{TABLE}", [7]),
        (f"```console\nvis-bench gate --make tests/gate/baseline x\n```\n\n{TABLE}", [5]),
        (f"{TABLE}\n\n{TABLE}\n\n```console\nvis-bench methods show stc\n```", [1]),
    ],
)
def test_tables_without_a_source_are_found(text: str, lines: list[int]) -> None:
    assert unexplained(text) == lines


def test_faults_of_commands_are_found() -> None:
    assert faults("vis-bench report results/study --out reports/mine") == []
    assert faults("vis-bench reports results/study") == ["no command reports"]
    assert faults("vis-bench methods list") == ["no command methods list"]
    assert faults("vis-bench report results/shapes-slow") == ["no results/shapes-slow"]
    assert not named_in("results/shapes-quick", "results/shapes")
