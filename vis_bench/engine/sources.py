"""Which source files decide a result. Their hash is a part of what a run is called, so that a changed method
or a mended metric is computed again instead of being answered from an old record."""

from __future__ import annotations

import ast
import importlib.util
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import vis_bench
from vis_bench.files import sha256
from vis_bench.method import MethodSpec
from vis_bench.setup.plugins import entry_point_module, plugin_file

HOME = Path(vis_bench.__file__).parent
OUR_METHODS = "methods"

# what decides which masks are read: the compiled kernels and all that chooses between them and the plain path
_MASKS = (
    *(f"masks/{name}.py" for name in ("rle", "kernels", "boxes", "mask_text", "rle_check", "rle_quick")),
    *(f"masks/{name}" for name in ("kernels.c", "lifted.h", "runs.h")),
)
_READING = (
    *(
        "coco",
        "extra",
        "frames",
        "json_stream",
        "lifted",
        "official",
        "predictions",
        "segmentations",
        "shown_frames",
        "stored",
        "ytvis",
    ),
    *(f"store/{name}" for name in ("build", "lazy", "packed")),
)
_LOOP = (
    *("auxiliary", "group", "kernels", "loop", "optimizer", "shards", "state", "step", "stepping", "sums"),
    "weights",
)
_ENGINE = (
    *("execute", "foreign", "image_stage", "image_stage_training", "process/kept_lines"),
    *("results_spool", "track"),
)
_CLIPS = ("augment", "draws", "mixed_clips", "pixels", "pseudo_clips", "sampler")
# what decides how a file of weights is read and what of it is loaded
_WEIGHTS = ("class_rows", "coco", "files", "load", "prepare", "source", "start", "unpickle")
# what decides the weights and the tracks besides the method; plans, reports and messages do not
TRAINING_SOURCES = (
    "method.py",
    *("setup/schedule.py", "setup/seeds.py"),
    *_MASKS,
    "masks/sampled.py",
    *(f"data/{name}.py" for name in _READING),
    *(f"engine/{name}.py" for name in _ENGINE),
    *(f"engine/training/{name}.py" for name in _LOOP),
    *(f"weights/{name}.py" for name in _WEIGHTS),
    *(f"engine/training/clips/{name}.py" for name in _CLIPS),
)
_SCORING = ("evaluate", "measure", "metric_names", "operating_point", "statistics")
SCORING_SOURCES = (
    *(f"scoring/{name}.py" for name in _SCORING),
    *("engine/operating_point.py", "data/segmentations.py"),
    *_MASKS,
)


def scoring_hash() -> str:
    """SHA-256 of the sources that turn predictions into numbers."""
    return _hash([*(HOME / "metrics").glob("*.py"), *(HOME / name for name in SCORING_SOURCES)])


def code_hash(method: str, spec: MethodSpec, recipes: Sequence[str | None] = ()) -> str:
    """SHA-256 of the sources that can change what a method computes: its own, and those of the harness.

    method: a name, or `path/to/file.py:NAME`. recipes: `module:callable` of what the protocol adds to every
    training. An installed method counts with what it shares a package with, a file with the files beside it
    that it imports, foreign code with the files that it names; other packages that they import do not count.
    """
    sources = {HOME / name for name in TRAINING_SOURCES}
    file = plugin_file(method)
    if file is not None:
        sources |= _plugin_sources(file[0])
    if spec.foreign is not None:
        return _hash(sources | set(spec.foreign.files))
    build = spec.build if isinstance(spec.build, str) else getattr(spec.build, "__module__", None)
    for reference in (entry_point_module(method), build, *recipes):
        recipe = plugin_file(reference) if reference is not None else None
        if recipe is not None:
            sources |= _plugin_sources(recipe[0])
        elif reference is not None:
            sources |= _module_sources(reference.partition(":")[0])
    return _hash(sources)


def _hash(sources: Iterable[Path]) -> str:
    """The same wherever the files lie."""
    return sha256("".join(sorted(sha256(path.read_bytes()) for path in set(sources))).encode())


def _module_sources(module: str) -> set[Path]:
    """Files of an installed module: itself where it stands alone, or what it shares a package with."""
    found = importlib.util.find_spec(module.partition(".")[0])
    if found is None:
        return set()
    if found.submodule_search_locations is None:
        return {path for path in [Path(found.origin or "")] if path.is_file()}
    return {
        path for place in found.submodule_search_locations for path in _shared_and_own(Path(place), module)
    }


def _shared_and_own(package: Path, module: str) -> list[Path]:
    """Python files of the method's folder, of method folders that it imports from, and of shared folders.

    A folder with a SPEC is a method; every other one is shared, and so are the files beside the folders.
    """
    own = package.joinpath(*module.split(".")[1:])
    while not own.is_dir():
        own = own.parent
    folders = {path.parent.name: path.parent for path in package.glob("*/__init__.py")}
    methods = {
        name
        for name, folder in folders.items()
        if "SPEC" in (folder / "__init__.py").read_text(encoding="utf-8")
    }
    wanted = {own, *(folder for name, folder in folders.items() if name not in methods)}
    waiting = list(wanted)
    # `from package.parent`, `from package import parent`, and both of them with dots for the package
    place = rf"(?:{package.name}|\.+)"
    imported = re.compile(
        rf"^\s*(?:(?:from|import) +(?:{package.name}\.|\.+)|from +{place} +import +)(\w+)", re.MULTILINE
    )
    while waiting:
        text = "\n".join(path.read_text(encoding="utf-8") for path in waiting.pop().rglob("*.py"))
        for name in imported.findall(text):
            if name in folders and folders[name] not in wanted:
                wanted.add(folders[name])
                waiting.append(folders[name])
    return [*package.glob("*.py"), *(path for folder in wanted for path in folder.rglob("*.py"))]


def _plugin_sources(plugin: Path) -> set[Path]:
    """A plug-in's file, the files and packages beside it that it imports, and what it uses of our methods."""
    found: set[Path] = set()
    modules: set[str] = set()
    waiting = [plugin]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        for name in imported_modules(path):
            top = name.partition(".")[0]
            if top == OUR_METHODS:
                modules.add(name)
            elif top != HOME.name:
                beside = plugin.parent / top
                waiting += [
                    file for file in [beside.with_suffix(".py"), *beside.rglob("*.py")] if file.is_file()
                ]
    return found.union(*map(_module_sources, modules))


def imported_modules(path: Path) -> set[str]:
    """Dotted names that a file imports, `a.b` for `from a import b`; relative imports are left out.

    A file that is no Python imports nothing.
    """
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return set()
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names
