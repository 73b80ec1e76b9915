"""`register` on stand-ins for detectron2's two catalogues: which splits, and when they are opened."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from square_videos import write_split

from vis_bench.data import catalog as data_catalog
from vis_bench.errors import DataError, UsageError
from vis_bench.integrations.detectron2 import catalog


class Metadata(SimpleNamespace):
    def set(self, **values: object) -> None:
        vars(self).update(values)


class Catalogues:
    """DatasetCatalog and MetadataCatalog, as far as they are used."""

    def __init__(self) -> None:
        self.functions: dict[str, Callable[[], object]] = {}
        self.metadata: dict[str, Metadata] = {}

    def register(self, name: str, function: Callable[[], object]) -> None:
        assert name not in self.functions
        self.functions[name] = function

    def list(self) -> list[str]:
        return [*self.metadata]

    def get(self, name: str) -> Metadata:
        return self.metadata.setdefault(name, Metadata())


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Catalogues:
    made, package, data = Catalogues(), ModuleType("detectron2"), ModuleType("detectron2.data")
    data.DatasetCatalog = data.MetadataCatalog = made  # type: ignore[attr-defined]
    structures = ModuleType("detectron2.structures")
    structures.BoxMode = SimpleNamespace(XYWH_ABS="XYWH_ABS")  # type: ignore[attr-defined]
    for module in (package, data, structures):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(catalog, "make_importable", lambda: None)
    monkeypatch.delenv("VIS_BENCH_DATA", raising=False)
    return made


def test_without_splits_every_one_of_a_folder_is_registered(known: Catalogues, squares: Path) -> None:
    assert catalog.register(squares) == ("vis_bench_squares_train", "vis_bench_squares_val")
    assert [len(known.functions[name]()) for name in known.list()] == [3, 2]
    assert known.get("vis_bench_squares_val").thing_classes
    assert catalog.register(squares, splits=["val"], name="mine") == ("vis_bench_mine_val",)
    assert catalog.register(squares / "val" / "instances_val.json") == ("vis_bench_instances_val.json_val",)
    with pytest.raises(UsageError, match="is registered for"):
        catalog.register(squares.parent, splits=["val"], name="mine")


def test_the_shapes_have_all_their_splits_and_are_not_drawn_for_it(
    known: Catalogues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_catalog, "_open_shapes", lambda *_: pytest.fail("was opened"))
    assert catalog.register("shapes") == tuple(
        f"vis_bench_shapes_{split}" for split in ("train", "val", "test")
    )
    assert catalog.register("shapes") == catalog.register("shapes", ["train", "val", "test"])
    assert len(known.functions) == 3
    assert catalog.register("shapes-long") == ("vis_bench_shapes-long_test",)
    assert known.get("vis_bench_shapes_val").thing_classes[0] == "disc"
    assert known.get("vis_bench_shapes_val").thing_dataset_id_to_contiguous_id[1] == 0


def test_an_official_set_has_the_splits_that_lie_below_its_root(known: Catalogues, tmp_path: Path) -> None:
    every = ("train", "devval", "train-full", "valid", "test")
    assert catalog.register("ovis", name="later") == tuple(f"vis_bench_later_{split}" for split in every)
    with pytest.raises(DataError, match="no data root is given"):
        known.functions["vis_bench_later_devval"]()
    write_split(tmp_path / "made", "train", 3)
    (tmp_path / "ovis").mkdir()
    shutil.copy(tmp_path / "made/train/instances_train.json", tmp_path / "ovis/annotations_train.json")
    assert catalog.register("ovis", data_root=tmp_path) == tuple(
        f"vis_bench_ovis_{split}" for split in ("train", "devval", "train-full")
    )
    assert len(known.get("vis_bench_ovis_devval").thing_classes) == 25


def test_unknown_names_and_splits(known: Catalogues) -> None:
    with pytest.raises(UsageError, match="Did you mean 'ovis'"):
        catalog.register("ovvis")
    assert not known.functions
