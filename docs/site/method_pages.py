"""A page per method: its README, then what `methods ls --all` and `methods show` say of its choices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from site_links import ROOT

from vis_bench.engine.description import described_configs
from vis_bench.setup.plugins import load_spec, method_names


def listed_methods() -> list[str]:
    """The methods of this repository; another package that is installed here may offer more."""
    return [name for name in method_names() if (ROOT / "methods" / name / "README.md").exists()]


def choices_text(name: str) -> str:
    """Markdown of the configurations and of every choice where the paper is silent."""
    spec = load_spec(name)
    configs = [f"| `{name}@{config}` | {cell(about)} |" for config, about in described_configs(spec)]
    return "\n".join(
        [
            "\n## Configurations",
            "",
            "As `vis-bench methods ls --all` lists them.",
            "",
            "| name | what it is |",
            "|---|---|",
            *configs,
            "",
            "## Choices",
            "",
            f"As `vis-bench methods show {name}` prints them, with the values of `paper`; that command also",
            "counts parameters and multiply-adds.",
            "",
            *choice_lines(spec),
        ]
    )


def choice_lines(spec: Any) -> Iterator[str]:
    """A definition per choice: name, value of `paper`, source; then the reason."""
    _, config = next(iter(spec.configs.items()))
    for choice in spec.choices:
        value: Any = config
        for part in choice.key.split("."):
            value = getattr(value, part)
        mark = "" if choice.id == "-" else f"{choice.id}: "
        yield from (
            f"{mark}`{choice.key} = {shortened(value)}`, {choice.source}",
            f":   {cell(choice.note)}",
            "",
        )


def shortened(value: Any, longest: int = 60) -> str:
    text = str(value).replace("`", "")
    return text if len(text) <= longest else f"{text[: longest - 2]} …"


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def index_text() -> str:
    rows = []
    for name in listed_methods():
        info = load_spec(name).info
        mode = "online" if info.online else "offline"
        rows.append(f"| [`{name}`]({name}.md) | {info.paradigm}, {mode} | {cell(info.title)} |")
    return "\n".join(
        [
            "# Methods",
            "",
            "One folder each in `methods/`, written from the papers. Each has a `paper` configuration",
            "with the sizes of the paper, a `tiny` one that trains on a CPU in minutes, and a `quick` one",
            "with a shorter schedule. Models of detectron2 and transformers are methods too",
            "([foreign models](../foreign-models.md)), and so is a file of your own",
            "([extending](../extending.md)).",
            "",
            "| name | paradigm | title |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )
