"""Finding methods: by entry point (group `vis_bench.methods`), by `path/to/file.py:NAME`, or by the prefix of
a foreign framework (`frameworks.py`)."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points, packages_distributions
from pathlib import Path
from types import ModuleType
from typing import Any

import vis_bench
from vis_bench.errors import MethodError, UsageError, did_you_mean
from vis_bench.method import MethodSpec
from vis_bench.setup.frameworks import parse_reference

GROUP = "vis_bench.methods"
OUR_PACKAGES = ("methods", "protocols")


def check_shadowing() -> None:
    """Raise UsageError when a folder earlier on the import path hides our `methods` or `protocols`.

    Both names are common; `python -m vis_bench` from a folder that has its own would import that one.
    """
    home = Path(vis_bench.__file__).resolve().parent.parent
    for name in OUR_PACKAGES:
        spec = importlib.util.find_spec(name)
        places = [Path(place).resolve() for place in (spec.submodule_search_locations or ())] if spec else []
        origin = Path(spec.origin).resolve().parent if spec and spec.origin else None
        found = origin or (places[0] if places else None)
        if found is None:
            raise UsageError(f"The package {name!r} of vis-bench is not installed. Install vis-bench again.")
        if found != home / name:
            raise UsageError(
                f"{found} shadows the package {name!r} of vis-bench ({home / name}). "
                "Run vis-bench from another folder, or rename that one."
            )


def _entry_points() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def method_names() -> list[str]:
    """Names of all installed methods, sorted."""
    return sorted(_entry_points())


def entry_point_module(name: str) -> str | None:
    """The module that an installed method's entry point names; None for any other text."""
    point = _entry_points().get(name)
    return None if point is None else point.module


def plugin_file(name: str) -> tuple[Path, str] | None:
    """`path/to/file.py:NAME` -> (absolute path, NAME); None for the name of an installed method."""
    path, found, attribute = name.rpartition(".py:")
    return (Path(f"{path}.py").resolve(), attribute) if found else None


def load_object(reference: str) -> Any:
    """Import `module:attribute`. Raises UsageError when the form is wrong or the attribute is missing."""
    module_name, separator, attribute = reference.partition(":")
    if not separator:
        raise UsageError(f"{reference!r}: expected the form 'module:name'.")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # a package that a known module needs (torch) is another matter: its caller names the extra
        if error.name is None or not module_name.startswith(error.name):
            raise
        raise UsageError(f"{reference!r}: there is no module {error.name!r}.") from None
    try:
        return getattr(module, attribute)
    except AttributeError:
        raise UsageError(f"{reference!r}: module {module_name} has no {attribute!r}.") from None


def load_recipe(reference: str) -> Any:
    """What a protocol names: `module:attribute` of an installed package, or `path/to/file.py:NAME`.

    A module that only happens to lie in the working folder is not imported: a protocol of somebody else must
    not choose what runs. Raises UsageError for such a one, and as `load_object`.
    """
    require_recipe(reference)
    file = plugin_file(reference)
    return load_object(reference) if file is None else getattr(_module_from_file(*file), file[1])


def require_recipe(reference: str) -> None:
    """Refuse what `load_recipe` would not load, without importing anything. Raises UsageError."""
    file = plugin_file(reference)
    if file is not None:
        if not file[0].is_file():
            raise UsageError(f"{file[0]}: no such file (named by the protocol).")
        return
    top = reference.partition(":")[0].partition(".")[0]
    if top not in (*OUR_PACKAGES, vis_bench.__name__) and top not in packages_distributions():
        raise UsageError(
            f"{reference!r}: {top!r} belongs to no installed package. A protocol names code of installed "
            "packages, or a file: path/to/file.py:NAME."
        )


def _as_spec(found: Any, where: str) -> MethodSpec:
    """A MethodSpec as it is, or one made from a class with `info` and `configs` attributes."""
    if isinstance(found, MethodSpec):
        return found
    info, configs = getattr(found, "info", None), getattr(found, "configs", None)
    if info is None or configs is None:
        raise UsageError(
            f"{where} is neither a MethodSpec nor a class with `info` and `configs`. "
            "See CONTRIBUTING.md, 'Add a method'."
        )
    return MethodSpec(info=info, configs=configs, choices=tuple(getattr(found, "choices", ())), build=found)


def _load_from_file(path: Path, attribute: str) -> MethodSpec:
    module = _module_from_file(path, attribute)
    return _as_spec(getattr(module, attribute), f"{path}:{attribute}")


def _module_from_file(path: Path, attribute: str) -> ModuleType:
    """The module of a file, which has the attribute. Raises UsageError, MethodError."""
    if not path.is_file():
        raise UsageError(f"{path}: no such file (given as path/to/file.py:NAME).")
    module_name = f"vis_bench_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path}: is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise MethodError(f"{path}: importing it failed: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        names = [name for name in vars(module) if not name.startswith("_")]
        raise UsageError(f"{path} has no {attribute!r}.{did_you_mean(attribute, names)}")
    return module


def full_name(method: str) -> str:
    """A method as another process finds it: paths are absolute."""
    file, reference = plugin_file(method), parse_reference(method)
    if reference is not None:
        return reference.text
    return method if file is None else f"{file[0]}:{file[1]}"


def short_name(method: str) -> str:
    """A method in labels and names of folders: without the path to it."""
    file, reference = plugin_file(method), parse_reference(method)
    if reference is not None:
        return reference.name
    return method if file is None else file[0].stem


def without_place(method: str) -> str:
    """A method as it is named in hashes: without the folder that its file is in."""
    file, reference = plugin_file(method), parse_reference(method)
    if reference is not None:
        return reference.name
    return method if file is None else f"{file[0].name}:{file[1]}"


def load_spec(name: str) -> MethodSpec:
    """The method called `name`, the one at `path/to/file.py:NAME`, or that of a foreign framework.

    Raises UsageError for an unknown name (with a suggestion) and MethodError when its module does not
    import, or its framework is not installed.
    """
    reference = parse_reference(name)
    if reference is not None:
        return load_object(reference.framework.load)(reference)
    file = plugin_file(name)
    if file is not None:
        return _load_from_file(*file)
    points = _entry_points()
    if name not in points:
        raise UsageError(f"Unknown method {name!r}.{did_you_mean(name, points)}")
    try:
        found = points[name].load()
    except Exception as error:
        raise MethodError(
            f"Method {name!r} (entry point {points[name].value}) cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error
    return _as_spec(found, f"entry point {name!r}")


def split_variant(text: str) -> tuple[str, str | None]:
    """`inspro@A` -> ("inspro", "A"); `inspro` -> ("inspro", None). An @ in a path stays there."""
    if parse_reference(text) is not None:
        return text, None
    path, colon, rest = text.rpartition(".py:")
    name, separator, config = rest.partition("@")
    return f"{path}{colon}{name}", config if separator else None


def expand_methods(text: str) -> Iterator[str]:
    """The comma-separated list, in order, without repeats; `all` in it stands for every installed method."""
    names = [part.strip() for part in text.split(",")]
    if not all(names):
        raise UsageError(f"--methods {text!r}: an empty name in the list.")
    yield from dict.fromkeys(one for name in names for one in (method_names() if name == "all" else [name]))


def build_method(spec: MethodSpec, config: Any, num_classes: int) -> Any:
    """Build the torch module. Raises MethodError with the install hint when torch is not installed."""
    try:
        build = load_object(spec.build) if isinstance(spec.build, str) else spec.build
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in {"torch", "torchvision", "safetensors"}:
            raise MethodError(
                f"Method {spec.info.name!r} needs {error.name}. "
                "Install it with: pip install 'vis-bench[methods]'"
            ) from None
        raise
    return build(config, num_classes)
