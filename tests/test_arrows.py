"""The rooms of the code (its folders) and which of them may import which: arrows point down only.

A new import between two rooms needs a line here; a circle of rooms or of files cannot be written down.
Imports inside functions count, since they run; those under `if TYPE_CHECKING:` count between rooms but make
no circle.
"""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GROUND = {"types", "errors", "method", "files", "cache"}
"""Modules of the ground floor, which every room may use."""

# a room: the rooms that it may import, from the lowest floor to the highest
ARROWS = {
    "masks": "",
    "setup": "",
    "metrics": "masks",
    "data.shapes": "masks",
    "data.store": "",
    "data": "masks data.shapes data.store",
    "records": "setup",
    "integrations.formats": "data masks",
    "scoring": "data integrations.formats metrics setup",
    "study": "data metrics records scoring",
    "bundles": "data records scoring setup",
    "weights": "records setup",
    "engine.process": "",
    "engine.training.clips": "data masks",
    "engine.training": "data engine.process engine.training.clips records setup weights",
    "engine": "data data.shapes engine.process engine.training engine.training.clips masks records scoring "
    "setup study weights",
    "engine.executors": "engine engine.process",
    "engine.videos": "data engine engine.process records setup weights",
    "engine.contract": "data engine engine.training engine.training.clips masks scoring setup weights",
    "engine.speed": "data engine engine.process engine.training masks records setup weights",
    "report.tables": "records setup",
    "report.terminal": "metrics records report.tables study",
    "report.drawing": "report.tables setup",
    "report.videos": "data masks metrics records report.drawing report.tables",
    "report.formats": "records report.tables report.videos",
    "report.papers": "data records report.drawing report.formats report.tables setup study",
    "report.speed": "records report.drawing report.formats report.papers report.tables",
    "report.plots": "data metrics records report.drawing report.speed report.tables report.videos scoring "
    "study",
    "report": "data records report.formats report.plots report.speed report.tables report.terminal "
    "report.videos setup",
    "leaderboard": "bundles data metrics records report.speed report.tables report.videos scoring study",
    "compat": "data metrics scoring",
    "gate": "data records report.tables scoring setup study",
    "integrations": "data engine.process integrations.formats masks records scoring setup weights",
    "integrations.detectron2": "compat data integrations masks records scoring setup",
    "integrations.transformers": "data integrations masks setup",
    "doctor": "data data.store masks records",
    "cli": "bundles data doctor engine engine.contract engine.executors engine.process engine.speed "
    "engine.videos gate integrations integrations.formats leaderboard masks records report report.formats "
    "report.papers report.speed report.tables "
    "report.terminal report.videos scoring setup study weights",
}
# torch is loaded by these alone: everything else works without it, and --help answers at once
MAY_IMPORT_TORCH = ("engine", "integrations", "weights")
METHODS_MAY_IMPORT = {
    *("types", "method", "errors", "masks.rle"),
    # the shared pretraining draws images of shapes
    *("data.shapes", "setup.config", "files"),
    # what a converter is made of
    *("weights.source", "weights.coco"),
}


@dataclass(frozen=True)
class Import:
    """One import of one of our modules. typing_only: it stands under `if TYPE_CHECKING:`."""

    file: str
    line: int
    module: str
    imported: str
    typing_only: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.imported}"


def modules(root: Path, package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name; a folder's __init__ has the name of the folder."""
    found = {}
    for path in sorted((root / package).rglob("*.py")):
        name = ".".join(path.relative_to(root).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports_of(root: Path, package: str, targets: set[str]) -> Iterator[Import]:
    """Every import of a module among `targets` by a module of the package."""
    for module, path in modules(root, package).items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        typing_only = {
            id(inner) for node in ast.walk(tree) if is_type_checking(node) for inner in ast.walk(node)
        }
        parent = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    base = ".".join([*parent.split(".")[: len(parent.split(".")) - node.level + 1], base])
                names = [f"{base}.{alias.name}".strip(".") for alias in node.names]
            for name in names:
                while name and name not in targets:
                    name = name.rpartition(".")[0]
                if name and name != module:
                    where = str(path.relative_to(root))
                    yield Import(where, node.lineno, module, name, id(node) in typing_only)


def room_of(module: str, known: dict[str, Path]) -> str:
    """`vis_bench.report.tables.rows` -> `report.tables`; empty for the ground floor."""
    inside = module.partition(".")[2]
    return inside if known[module].name == "__init__.py" else inside.rpartition(".")[0]


def broken_rules(root: Path) -> list[str]:
    """One line per import that no arrow allows, and per circle of files."""
    known = modules(root, "vis_bench")
    found, graph = [], {}
    for one in imports_of(root, "vis_bench", set(known)):
        room, other = room_of(one.module, known), room_of(one.imported, known)
        if not one.typing_only:
            graph.setdefault(one.module, set()).add(one.imported)
        if one.module == "vis_bench" and one.typing_only:
            continue  # the types of the public names, which are loaded when they are used
        if room == "":
            name = one.imported.partition(".")[2]
            if other != "" and one.module != "vis_bench.__main__":
                found.append(f"{one}: the ground floor imports no room")
            elif other == "" and name and name not in GROUND:
                found.append(f"{one}: the ground floor is {', '.join(sorted(GROUND))}")
        elif room not in ARROWS:
            found.append(f"{one}: the room {room} has no line in ARROWS ({Path(__file__).name})")
        elif other not in ("", room, *ARROWS[room].split()):
            found.append(f"{one}: no arrow leads from {room} to {other} (ARROWS in {Path(__file__).name})")
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        found.append(f"a circle of files: {' -> '.join(error.args[1])}")
    return found


def test_the_arrows_themselves_make_no_circle() -> None:
    allowed = {room: others.split() for room, others in ARROWS.items()}
    assert {other for others in allowed.values() for other in others} <= set(allowed)
    graphlib.TopologicalSorter(allowed).prepare()


def test_imports_follow_the_arrows() -> None:
    assert broken_rules(ROOT) == []


def test_every_arrow_is_used() -> None:
    known = modules(ROOT, "vis_bench")
    used = {
        (room_of(one.module, known), room_of(one.imported, known))
        for one in imports_of(ROOT, "vis_bench", set(known))
    }
    allowed = {(room, other) for room, others in ARROWS.items() for other in others.split()}
    assert allowed <= used, "arrows that nothing needs any more; take them out"


def test_every_room_says_what_is_in_it() -> None:
    rooms = {str(path.parent.relative_to(ROOT)) for path in (ROOT / "vis_bench").rglob("*.py")}
    silent = [room for room in sorted(rooms) if not _docstring(ROOT / room / "__init__.py")]
    assert silent == []


def _docstring(path: Path) -> str | None:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) if path.is_file() else None


def test_the_table_of_contributing_has_every_room() -> None:
    """Each room has a row, or stands as `name/` in the row of the room around it; no row is left over."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `vis_bench/(\w+)` \| (.+) \|$", page, re.MULTILINE))
    rooms = {path.parent.relative_to(ROOT / "vis_bench") for path in (ROOT / "vis_bench").rglob("*.py")}
    inside = [room.parts for room in rooms if len(room.parts) == 2]
    assert set(rows) == {room.name for room in rooms if len(room.parts) == 1}
    assert [parts for parts in sorted(inside) if f"`{parts[1]}/`" not in rows[parts[0]]] == []
    named = {(room, name) for room, text in rows.items() for name in re.findall(r"`(\w+)/`", text)}
    assert named - set(inside) == set()


def test_the_root_and_the_report_hold_nothing_loose() -> None:
    loose = {path.stem for path in (ROOT / "vis_bench").glob("*.py")}
    assert loose == {"__init__", "__main__", *GROUND}
    assert len(list((ROOT / "vis_bench/report").glob("*.py"))) <= 3


def test_torch_is_imported_by_the_engine_alone() -> None:
    found = []
    for module, path in modules(ROOT, "vis_bench").items():
        if module.split(".")[1:2] and module.split(".")[1] in MAY_IMPORT_TORCH:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if {name.partition(".")[0] for name in names} & {"torch", "torchvision", "safetensors"}:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


def test_methods_import_the_door_and_nothing_of_the_harness() -> None:
    known = set(modules(ROOT, "vis_bench"))
    found = [
        str(one)
        for one in imports_of(ROOT, "methods", known)
        if one.imported.partition(".")[2] not in METHODS_MAY_IMPORT
    ]
    assert found == []


@pytest.mark.parametrize(
    ("file", "line", "rule"),
    [
        (
            "metrics/mot.py",
            "from vis_bench.engine.plan import RunSpec",
            "no arrow leads from metrics to engine",
        ),
        ("masks/rle.py", "from vis_bench.data import ytvis", "no arrow leads from masks to data"),
        ("errors.py", "import vis_bench.cli.eval", "the ground floor imports no room"),
        ("errors.py", "from vis_bench.files import sha256", "a circle of files"),
        ("report/tables/text.py", "from .page import report_page", "a circle of files"),
        ("metrics/mot.py", "def f():\n    from vis_bench.study import intervals", "from metrics to study"),
        ("new_room/a.py", "from vis_bench.masks import rle", "the room new_room has no line in ARROWS"),
    ],
)
def test_a_planted_import_is_found(file: str, line: str, rule: str, tmp_path: Path) -> None:
    for path in (ROOT / "vis_bench").rglob("*.py"):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    planted = tmp_path / "vis_bench" / file
    planted.parent.mkdir(exist_ok=True)
    before = planted.read_text(encoding="utf-8") if planted.exists() else ""
    planted.write_text(f"{before}\n{line}\n", encoding="utf-8")
    found = next(text for text in broken_rules(tmp_path) if rule in text)
    if "circle" not in rule:
        number = planted.read_text(encoding="utf-8").rstrip().count("\n") + 1
        assert found.startswith(f"vis_bench/{file}:{number} imports vis_bench.")
