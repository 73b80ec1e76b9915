"""What messages advise exists: every option and every command that a text of the code names."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from vis_bench.cli import _application

ROOT = Path(__file__).parents[2]
# options of programs that are not ours: git, docker and mmdetection
OF_OTHERS = {
    "--porcelain",
    "--untracked-files",
    "--shm-size",
    "--format-only",
    "--no-build-isolation",
    "--upgrade",
    "--force-reinstall",
    "--no-deps",
}
# every command that opens data has these
OF_ALL_DATA = {"--data-root", "--dataset", "--split", "--truth"}
# what these rooms say is said by commands that lack each other's options
SHARED = ("data", "masks", "metrics", "integrations/formats")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
ADVISED = re.compile(r"vis-bench ((?:[a-z]+ ?)+)((?:[^`.;,]*?(?<![\w-])--[a-z][a-z-]+)*)")


@dataclass(frozen=True)
class Text:
    """A text of the code that is no docstring; what is filled in stands as …."""

    place: str
    room: str
    text: str


def commands() -> dict[str, set[str]]:
    """Options of every command by its name, such as `data ls`."""
    found: dict[str, set[str]] = {}

    def walk(command, name: str) -> None:
        for key, inner in getattr(command, "commands", {}).items():
            walk(inner, f"{name} {key}".strip())
        if name and not getattr(command, "commands", None):
            options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
            found[name] = options | {"--help"}

    walk(typer.main.get_command(_application()), "")
    return found


@functools.cache
def texts() -> tuple[Text, ...]:
    return tuple(all_texts())


def all_texts() -> Iterator[Text]:
    for package in ("vis_bench", "methods"):
        for path in sorted((ROOT / package).rglob("*.py")):
            room = str(path.parent.relative_to(ROOT / package))
            for line, text in texts_of(ast.parse(path.read_text(encoding="utf-8"))):
                yield Text(f"{path.relative_to(ROOT)}:{line}", room if package == "vis_bench" else "", text)


def texts_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    nodes = list(ast.walk(tree))
    left_out = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            left_out |= {id(inner) for inner in ast.walk(node) if inner is not node}
    for node in nodes:
        if id(node) in left_out:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "…" for part in node.values]
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def known_command(words: str, known: dict[str, set[str]]) -> str | None:
    """The command at the beginning of these words."""
    first, second = [*words.split(), "", ""][:2]
    return next((name for name in (f"{first} {second}", first) if name in known), None)


def test_the_texts_are_found() -> None:
    found = [one.text for one in texts()]
    assert any("vis-bench eval --ignore-unknown-categories" in text for text in found)
    assert len(found) > 2000


def test_every_option_that_is_named_exists() -> None:
    known = commands()
    of_all = {option for p in typer.main.get_command(_application()).params for option in p.opts}
    options = set().union(*known.values(), OF_OTHERS, of_all)
    named = [(one.place, option) for one in texts() for option in OPTION.findall(one.text)]
    assert [f"{place} {option}" for place, option in named if option not in options] == []
    assert len(named) > 100


def test_every_command_that_is_advised_has_its_options() -> None:
    known, wrong, seen = commands(), [], 0
    for one in texts():
        for found in ADVISED.finditer(one.text):
            options = OPTION.findall(found[2])
            quoted = one.text[: found.start()].endswith("`")
            if not options and not quoted:
                continue  # a sentence about vis-bench
            command = known_command(found[1], known)
            group = found[1].strip() in ("data", "methods", "weights")
            seen += 1
            if command is None and not group:
                wrong.append(f"{one.place}: no command in {found[0]!r}")
            elif command is not None:
                wrong += [f"{one.place}: {command} has no {o}" for o in options if o not in known[command]]
    assert wrong == []
    assert seen > 15


def test_what_many_commands_say_names_the_command_of_an_option() -> None:
    """`explain` must not advise an option that only `eval` has."""
    wrong = []
    for one in texts():
        if not one.room.startswith(SHARED):
            continue
        advised = " ".join(found[0] for found in ADVISED.finditer(one.text))
        for option in OPTION.findall(one.text):
            echoed = one.text.startswith(option)
            if option not in OF_ALL_DATA and option not in OF_OTHERS and not echoed and option not in advised:
                wrong.append(f"{one.place}: {option} of which command?")
    assert wrong == []
