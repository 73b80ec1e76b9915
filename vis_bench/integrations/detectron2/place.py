"""Where the code of a project is: `--project MODULE_OR_PATH[:add_function,...]`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vis_bench.errors import MethodError, UsageError


@dataclass(frozen=True, slots=True)
class Place:
    """folder: put on the import path, None for what is installed. module: imported, "" for those that the
    table of projects names. functions: names in it, called on the configuration in order."""

    folder: Path | None = None
    module: str = ""
    functions: tuple[str, ...] = ()

    @property
    def references(self) -> tuple[str, ...]:
        """`module:function` of the functions that were named."""
        return tuple(f"{self.module}:{name}" for name in self.functions)


def parse_place(text: str | None) -> Place:
    """Read what `--project` was given; nothing for None.

    A path is a checkout (its folder goes on the import path) or a package (the one above it does). Raises
    UsageError for a path that is not there and for functions without a module.
    """
    if not text:
        return Place()
    where, _, names = text.partition(":")
    functions = tuple(name.strip() for name in names.split(",") if name.strip())
    path = Path(where).expanduser()
    if path.is_dir():
        path = path.resolve()
        package = (path / "__init__.py").is_file()
        if functions and not package:
            raise UsageError(
                f"--project {text!r}: {path} is no package, so it has no functions. Name the package in it."
            )
        return Place(path.parent if package else path, path.name if package else "", functions)
    if "/" in where or "\\" in where:
        raise UsageError(f"--project {text!r}: no such folder.")
    return Place(None, where, functions)


def put_on_path(place: Place) -> None:
    """Let the modules of the place be found before others of their names."""
    if place.folder is not None and str(place.folder) not in sys.path:
        sys.path.insert(0, str(place.folder))


def import_modules(names: Iterable[str], place: Place) -> None:
    """Import the modules of a project, from its folder where one was named.

    Raises MethodError where one is not there, or came from the folder of another project: their packages have
    the same names, so that a process can hold one of them only.
    """
    for name in dict.fromkeys(names):
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise MethodError(
                f"the project needs the module {error.name!r}. Say where it is with --project PATH, or "
                "install it."
            ) from None
        file = Path(getattr(module, "__file__", None) or ".").resolve()
        beside = place.folder is not None and importlib.util.find_spec(name.partition(".")[0]) is not None
        own = place.folder is not None and (place.folder / name.partition(".")[0]).is_dir()
        if place.folder is not None and beside and own and place.folder not in file.parents:
            raise MethodError(
                f"the module {name!r} of another project ({file.parent}) is loaded in this process already. "
                "Name one project in a command."
            )


def sources(place: Place, modules: Iterable[str]) -> tuple[Path, ...]:
    """Python files of the packages of a project, found without importing them; not those of detectron2."""
    found: set[Path] = set()
    for name in {module.partition(".")[0] for module in modules} - {"detectron2"}:
        folders = [place.folder / name] if place.folder is not None and (place.folder / name).is_dir() else []
        if not folders:
            spec = importlib.util.find_spec(name)
            folders = [Path(where) for where in (spec.submodule_search_locations or ())] if spec else []
        for folder in folders:
            found.update(folder.rglob("*.py"))
    return tuple(sorted(found))
