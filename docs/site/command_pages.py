"""A page per command, from the command line itself: what `--help` says, option by option."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import typer

from vis_bench.cli import _application

# (name such as `data ls`, command, its context); the classes are those of the click that typer brings along
Found = tuple[str, Any, Any]
MARKS = re.compile(r"([\\`*_{}\[\]<>#|])")


def commands() -> Iterator[Found]:
    """Every command, in the order of `--help`."""
    root: Any = typer.main.get_command(_application())
    yield from below(root, root.context_class(root, info_name="vis-bench", **root.context_settings), "")


def below(group: Any, context: Any, name: str) -> Iterator[Found]:
    for key in group.list_commands(context):
        command = group.get_command(context, key)
        if command.hidden:
            continue
        inner = command.context_class(command, info_name=key, parent=context)
        whole = f"{name} {key}".strip()
        if hasattr(command, "list_commands"):
            yield from below(command, inner, whole)
        else:
            yield whole, command, inner


def page_name(command: str) -> str:
    return f"commands/{command.replace(' ', '-')}.md"


def command_text(name: str, command: Any, context: Any) -> str:
    """Markdown of one command."""
    usage = " ".join(["vis-bench", name, *command.collect_usage_pieces(context)])
    parts = [f"# vis-bench {name}", "```console", usage, "```", "", described(command.help or "")]
    for title, kind in (("Arguments", "argument"), ("Options", "option")):
        params = [param for param in command.get_params(context) if param.param_type_name == kind]
        records = [param.get_help_record(context) for param in params]
        shown = [record for record in records if record]
        if shown:
            parts += ["", f"## {title}", ""]
            for words, about in shown:
                parts += [f"`{words.strip()}`", f":   {escaped(about) or 'see above'}", ""]
    return "\n".join(parts) + "\n"


def described(text: str) -> str:
    """A docstring of the command line as Markdown; what stands after \\b keeps its lines."""
    paragraphs = []
    for paragraph in inspect.cleandoc(text).replace("\f", "\n\n").split("\n\n"):
        if not paragraph.lstrip().startswith("\b"):
            paragraphs.append(escaped(paragraph))
            continue
        lines = paragraph.split("\b", 1)[1].strip("\n").split("\n")
        title = [] if lines[0].startswith(" ") else [escaped(lines.pop(0)), ""]
        kind = "console" if any(line.strip().startswith("vis-bench") for line in lines) else "text"
        paragraphs.append("\n".join([*title, f"```{kind}", *(line.strip() for line in lines), "```"]))
    return "\n\n".join(paragraphs)


def escaped(text: str) -> str:
    """Text of the command line as Markdown; what stands between backquotes stays code."""
    parts = " ".join(text.split()).split("`")
    if len(parts) % 2 == 0:
        return MARKS.sub(r"\\\1", "`".join(parts))
    shown = [MARKS.sub(r"\\\1", part) if place % 2 == 0 else f"`{part}`" for place, part in enumerate(parts)]
    return "".join(shown)


def index_text() -> str:
    lines = [
        "# Commands",
        "",
        "Made from the command line of this version. `vis-bench COMMAND --help` prints the same.",
        "Exit codes and what all commands share: [the tasks](../tasks.md#what-all-commands-share).",
        "",
        "| command | what it does |",
        "|---|---|",
    ]
    for name, command, _ in commands():
        first = (command.help or "").strip().split("\n\n")[0]
        lines.append(f"| [`{name}`]({page_name(name).removeprefix('commands/')}) | {escaped(first)} |")
    return "\n".join(lines) + "\n"
