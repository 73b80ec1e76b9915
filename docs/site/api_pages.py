"""The end of the page of the Python API: signature and docstring of every public name, from the code."""

from __future__ import annotations

import inspect
from typing import Any

import vis_bench
import vis_bench.compat


def reference_text() -> str:
    """Markdown with a heading for each name of `vis_bench`, then of `vis_bench.compat`."""
    parts = ["\n## Every name\n", "From the docstrings of this version.\n"]
    for name in vis_bench.__all__:
        if not name.startswith("__"):
            parts += entry(f"vis_bench.{name}", getattr(vis_bench, name))
    for name in vis_bench.compat.__all__:
        parts += entry(f"vis_bench.compat.{name}", getattr(vis_bench.compat, name))
    return "\n".join(parts)


def entry(name: str, value: Any) -> list[str]:
    """Heading, signature and docstring; of a class the docstrings of its methods too."""
    parts = [f"### `{name}`\n", code("python", shown(name.rpartition(".")[2], value))]
    parts.append(code("text", inspect.getdoc(value) or "No docstring."))
    own = vars(value).items() if inspect.isclass(value) and not issubclass(value, Exception) else ()
    for key, method in own:
        if not key.startswith("_") and inspect.isfunction(method) and inspect.getdoc(method):
            parts += [code("python", shown(key, method)), code("text", inspect.getdoc(method) or "")]
    return parts


def shown(name: str, value: Any) -> str:
    """A line, or a parameter a line where there are many. A class of records shows its fields."""
    kind = "class " if inspect.isclass(value) else "def "
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return f"{kind}{name}"
    text = f"{kind}{name}{signature}"
    if len(text) <= 80:
        return text
    lines = [f"    {parameter}," for parameter in signature.parameters.values()]
    result = signature.return_annotation
    returned = "" if result is inspect.Signature.empty else f" -> {result}"
    return "\n".join([f"{kind}{name}(", *lines, f"){returned}"])


def code(language: str, text: str) -> str:
    return f"````{language}\n{text}\n````\n"
