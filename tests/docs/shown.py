"""What README and docs show: commands of console blocks and of sentences, and blocks of Python."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "methods").glob("*/README.md")),
)
LIST = Path(__file__).with_name("not_executed.toml")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
IN_SENTENCE = re.compile(r"`(vis-bench\s[^`]+)`")
# the name of a command alone, and what has to be filled in: forms, which nobody types as they stand
NAME_ALONE = re.compile(r"vis-bench( (data|methods|weights|protocols|cache))? [a-z-]+")
FILLED_IN = re.compile(
    r"\b(NAME|RESULTS|RUNS?|FILE|FOLDER|REPORT|SPEED|TRUTH|GT|D|DATASET|BASELINE|PAPER|NEW)\b|\.\.\.|[<>|…]"
)
# .ci/run takes the commands below these marks from README and runs them
RUN_BY_CI = re.compile(r"<!-- command: \w+ -->\n```console\n(.*?)\n```")


@dataclass(frozen=True)
class Shown:
    """A command without its comment, or a block of Python; place: page and number of its line or block."""

    place: str
    text: str

    @property
    def page(self) -> str:
        return self.place.partition(":")[0]


def commands() -> list[Shown]:
    """Every line of every console block; a line that ends in a backslash goes on in the next one."""
    return [
        Shown(f"{page.relative_to(ROOT)}:{number}", command)
        for page in PAGES
        for number, command in commands_of(page.read_text(encoding="utf-8"))
    ]


def commands_of(text: str) -> Iterator[tuple[int, str]]:
    for found in BLOCK.finditer(text):
        if found[1] not in ("console", "sh", "bash"):
            continue
        first = text[: found.start()].count("\n") + 2
        lines = found[2].splitlines()
        for number, line in enumerate(lines):
            if not line.strip() or (number and lines[number - 1].endswith("\\")):
                continue
            whole, at = line, number
            while whole.endswith("\\"):
                at += 1
                whole = f"{whole[:-1].rstrip()} {lines[at].strip()}"
            yield first + number, re.sub(r"\s+#( .*)?$", "", whole).strip()


def sentences() -> list[Shown]:
    """Every `vis-bench` command with arguments or options inside of a sentence, unless something has to be
    filled in."""
    found = []
    for page in PAGES:
        # blocks are blanked, so that lines keep their numbers
        text = BLOCK.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), page.read_text(encoding="utf-8"))
        for one in IN_SENTENCE.finditer(text):
            command, line = " ".join(one[1].split()), text[: one.start()].count("\n") + 1
            if not NAME_ALONE.fullmatch(command) and not FILLED_IN.search(command):
                found.append(Shown(f"{page.relative_to(ROOT)}:{line}", command))
    return found


def python_blocks() -> list[Shown]:
    """Every block of Python; places count them from 1 on each page."""
    found = []
    for page in PAGES:
        blocks = [text for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == "python"]
        name = page.relative_to(ROOT)
        found += [Shown(f"{name}:{number}", block) for number, block in enumerate(blocks, 1)]
    return found


def first_line(block: str) -> str:
    """The first line of a block of Python that is no import, by which the list names it."""
    lines = [line for line in block.strip().splitlines() if line]
    return next((line for line in lines if not line.startswith(("import ", "from "))), lines[0])


def run_by_ci() -> set[str]:
    return set(RUN_BY_CI.findall((ROOT / "README.md").read_text(encoding="utf-8")))


def not_executed() -> dict[str, str]:
    """Command (or first line of a block of Python) -> the reason why no test executes it."""
    groups = tomllib.loads(LIST.read_text(encoding="utf-8"))["group"]
    return {command: group["reason"] for group in groups for command in group["shown"]}
