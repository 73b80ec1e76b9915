"""A method to start from: a plug-in in one file and its test."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path

from vis_bench.errors import UsageError
from vis_bench.files import write_text

_FILES = {"method.txt": "{name}.py", "test_method.txt": "test_{name}.py"}


def new_method(name: str, folder: Path) -> list[Path]:
    """Write `NAME.py` with a whole small method, and `test_NAME.py`; returns their paths.

    name: of the method and its module, such as `my_method`; its class is `MyMethod`. Raises UsageError for a
    name that no module can have, and for a file that is there: nothing is overwritten.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise UsageError(f"{name!r}: a method is named in small letters, digits and _, such as my_method.")
    paths = {template: folder / pattern.format(name=name) for template, pattern in _FILES.items()}
    for path in paths.values():
        if path.exists():
            raise UsageError(f"{path} is there. Take another name, or remove it.")
    title = "".join(part.capitalize() for part in name.split("_"))
    for template, path in paths.items():
        text = files("vis_bench.setup").joinpath("templates", template).read_text(encoding="utf-8")
        write_text(path, text.replace("new_method", name).replace("NewMethod", title))
    return list(paths.values())
