"""Which files are part of what a run is called: whatever can change its weights, tracks or numbers."""

import sys
from pathlib import Path

import pytest

import vis_bench
from vis_bench.engine.sources import SCORING_SOURCES, TRAINING_SOURCES, code_hash, imported_modules
from vis_bench.method import MethodInfo, MethodSpec
from vis_bench.setup.plugins import load_spec

HOME = Path(vis_bench.__file__).parent
INFO = MethodInfo("child", "Child", "query propagation", True, "none", "none")
CLASS = """
from vis_bench.method import MethodInfo
class Method:
    info = MethodInfo("child", "Child", "query propagation", True, "none", "none")
    configs = {}
"""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def changes(path: Path, hash_now) -> bool:
    """Whether another line in `path` gives another hash."""
    before, text = hash_now(), path.read_text()
    path.write_text(f"{text}\n# another line\n")
    after = hash_now()
    path.write_text(text)
    assert hash_now() == before
    return after != before


def test_a_change_in_the_method_that_a_method_builds_on_is_a_change(tmp_path, monkeypatch):
    """inspro_vid wires InsPro's parts: its runs are not answered from records of an older InsPro."""
    package = tmp_path / "family"
    files = {
        "__init__.py": "",
        "common.py": "",
        "layers/__init__.py": "",
        "parent/__init__.py": "SPEC = 1",
        "parent/parts.py": "x = 1",
        "aunt/__init__.py": "SPEC = 1",
        "uncle/__init__.py": "SPEC = 1",
        "child/__init__.py": "SPEC = 1",
        "child/model.py": "from family.parent.parts import x\nfrom ..aunt import y\nfrom family import uncle",
        "other/__init__.py": "SPEC = 1",
        "other/model.py": "y = 1",
    }
    write(package, files)
    monkeypatch.syspath_prepend(tmp_path)
    spec = MethodSpec(INFO, {}, (), "family.child.model:Model")
    found = {name for name in files if changes(package / name, lambda: code_hash("child", spec))}
    assert found == set(files) - {"other/__init__.py", "other/model.py"}


@pytest.mark.parametrize(
    ("value", "inside", "outside"),
    [
        ("kin.model:Method", ["kin/model.py", "kin/loss.py"], ["stranger.py"]),
        ("kin.api:Method", ["kin/api.py", "kin/model.py", "kin/loss.py"], ["stranger.py"]),
        ("alone:Method", ["alone.py"], ["stranger.py", "kin/model.py"]),
    ],
)
def test_a_class_behind_an_entry_point_counts_with_its_package(tmp_path, monkeypatch, value, inside, outside):
    point = f"[vis_bench.methods]\nchild = {value}\n"
    write(
        tmp_path,
        {
            "kin-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: kin\nVersion: 1.0\n",
            "kin-1.0.dist-info/entry_points.txt": point,
            "kin/__init__.py": "",
            "kin/api.py": "from kin.model import Method",
            "kin/model.py": CLASS,
            "kin/loss.py": "",
            "alone.py": CLASS,
            "stranger.py": "",
        },
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("kin", "kin.api", "kin.model", "alone"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    spec = load_spec("child")
    assert all(changes(tmp_path / name, lambda: code_hash("child", spec)) for name in inside)
    assert not any(changes(tmp_path / name, lambda: code_hash("child", spec)) for name in outside)


def test_a_plug_in_counts_with_the_files_beside_it_that_it_imports(tmp_path):
    spec = MethodSpec(INFO, {}, (), dict)
    files = {
        "mine.py": "import numpy, near\nfrom house.room import chair\n",
        "near.py": "def late():\n    import far\n",
        "far.py": "",
        "house/__init__.py": "",
        "house/room.py": "from .cellar import wine",
        "house/cellar.py": "",
        "unrelated.py": "import near",
    }
    write(tmp_path, files)
    found = {
        name for name in files if changes(tmp_path / name, lambda: code_hash(f"{tmp_path}/mine.py:X", spec))
    }
    assert found == set(files) - {"unrelated.py"}


def test_what_a_plug_in_takes_from_our_methods_counts_as_for_a_method_of_ours(tmp_path, monkeypatch):
    package = tmp_path / "ours"
    files = {
        "__init__.py": "",
        "layers/__init__.py": "",
        "layers/recipe.py": "",
        "parent/__init__.py": "SPEC = 1",
        "parent/parts.py": "",
        "other/__init__.py": "SPEC = 1",
    }
    write(package, files)
    write(tmp_path / "mine", {"imports.py": "from ours.parent.parts import x", "plain.py": ""})
    monkeypatch.setattr("vis_bench.engine.sources.OUR_METHODS", "ours")
    monkeypatch.syspath_prepend(tmp_path)
    plain = f"{tmp_path}/mine/plain.py:X"

    def counted(*arguments):
        return {name for name in files if changes(package / name, lambda: code_hash(*arguments))}

    own = MethodSpec(INFO, {}, (), dict)
    theirs = MethodSpec(INFO, {}, (), "ours.parent.parts:Model")
    assert counted(f"{tmp_path}/mine/imports.py:X", own) == set(files) - {"other/__init__.py"}
    assert counted(plain, theirs) == set(files) - {"other/__init__.py"}
    assert counted(plain, own) == set()
    # the protocol's recipes train every method, also one that uses nothing of ours
    assert "layers/recipe.py" in counted(plain, own, ("ours.layers.recipe:pretrain", None))


def imported_files(*starts: str) -> set[str]:
    """Files of vis_bench that are imported by files of vis_bench, directly or not."""
    found: set[str] = set()
    waiting = list(starts)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for module in imported_modules(HOME / name):
            parts = module.split(".")
            for end in (len(parts), len(parts) - 1):
                file = "/".join(parts[1:end]) + ".py"
                if parts[0] == "vis_bench" and (HOME / file).is_file():
                    waiting.append(file)
    return found


# hashed as values (configuration, protocol, lists of videos), or nothing but names, errors, files and bars
NO_NUMBERS = {
    *("cache.py", "errors.py", "files.py", "setup/config.py", "setup/plugins.py", "setup/protocol.py"),
    *(
        "types.py",
        "records/run.py",
        "records/columns.py",
        "records/soundness.py",
        "data/bar.py",
        "data/frame_predictions.py",
        "data/records.py",
        "data/splits.py",
    ),
    *("records/columns.py", "records/soundness.py"),
    # the loader hands over the clips of the sampler; which file has which hash is looked up
    *(
        "engine/process/children.py",
        "engine/process/time_left.py",
        "setup/frameworks.py",
        "engine/training/loader.py",
        "data/store/known.py",
    ),
    # it ends a run, or lets it be
    "engine/finite_outputs.py",
    *("engine/process/environment.py", "engine/frame_store.py", "engine/process/progress.py"),
    *("engine/training/interrupts.py", "engine/training/log.py"),
}


def test_everything_that_trains_and_tracks_is_listed():
    used = imported_files("engine/training/loop.py", "engine/track.py", "data/ytvis.py", "data/coco.py")
    assert {"masks/rle.py", "data/extra.py", "masks/rle_quick.py"} <= used
    assert used - NO_NUMBERS <= set(TRAINING_SOURCES)
    assert all((HOME / name).is_file() for name in TRAINING_SOURCES)
    assert "masks/kernels.c" in TRAINING_SOURCES


def test_everything_that_scores_is_listed():
    metrics = [f"metrics/{path.name}" for path in (HOME / "metrics").glob("*.py")]
    used = imported_files("scoring/evaluate.py", "scoring/measure.py", *metrics)
    assert {"masks/boxes.py", "masks/kernels.py"} <= used
    assert used - NO_NUMBERS - set(metrics) <= set(SCORING_SOURCES)
    assert all((HOME / name).is_file() for name in SCORING_SOURCES)
    assert "masks/kernels.c" in SCORING_SOURCES
