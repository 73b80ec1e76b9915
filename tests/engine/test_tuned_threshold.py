"""A run whose protocol keeps a split for the operating point: tracked once with the same weights, and
recorded.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from square_videos import write_split

import vis_bench
from vis_bench.data import catalog
from vis_bench.data.predictions import read_results
from vis_bench.engine import operating_point as engine
from vis_bench.records.run import PREDICTIONS_NAME
from vis_bench.scoring.operating_point import best_on
from vis_bench.setup.protocol import load_protocol

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"
RULE = '\n[operating_point]\nsplit = "val"\nvideos = 1\n'


@pytest.fixture
def three(squares: Path) -> Path:
    """A split `test` beside `train` and `val`."""
    write_split(squares, "test", 2)
    return squares


def options(protocol: Path, out: Path) -> dict[str, object]:
    return {"protocol": protocol, "out": out, "overrides": {"train.iterations": 2}, "jobs": 1}


def test_the_threshold_is_chosen_on_val_and_tracked_once(
    three: Path, protocol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol.write_text(protocol.read_text() + RULE)
    tracked: list[str] = []
    real = engine.track_dataset

    def watched(model, dataset, *rest):  # type: ignore[no-untyped-def]
        tracked.append(f"{dataset.split} {len(dataset.videos)}")
        return real(model, dataset, *rest)

    monkeypatch.setattr(engine, "track_dataset", watched)
    (record,) = vis_bench.run(TOY, three, split="test", **options(protocol, tmp_path / "runs"))
    assert record.status == "done", record.error
    assert record.operating_point is not None
    assert record.operating_point.source == "val"
    assert tracked == ["val 1"]
    (file,) = (tmp_path / "runs" / "trained").glob(f"*/val-*-first1-cpu/{PREDICTIONS_NAME}")
    val = catalog.open_dataset(three, "val")
    assert record.operating_point.thresholds == (best_on(val, read_results(file, val)),)
    assert record.metrics is not None
    head = {name: record.metrics["operating_point"][name] for name in ("thresholds", "metric", "source")}
    assert head == record.operating_point.model_dump(mode="json") | {"thresholds": head["thresholds"]}
    # the same weights on fewer videos: another run, no second tracking of val
    (part,) = vis_bench.run(TOY, three, split="test", limit=1, **options(protocol, tmp_path / "runs"))
    assert part.run_hash != record.run_hash
    assert part.operating_point == record.operating_point
    assert tracked == ["val 1"]


def test_the_split_that_is_scored_chooses_nothing_for_itself(
    three: Path, protocol: Path, tmp_path: Path
) -> None:
    protocol.write_text(protocol.read_text() + RULE)
    (record,) = vis_bench.run(TOY, three, split="val", **options(protocol, tmp_path / "runs"))
    assert record.operating_point is not None
    assert record.operating_point.source == "same videos"


def test_the_shapes_protocols_choose_on_val_and_others_on_halves() -> None:
    rules = {
        name: load_protocol(name).operating_point for name in ("shapes", "shapes-quick", "video", "paper")
    }
    assert [(rule.split, rule.videos) for rule in rules.values()] == [
        ("val", None),
        ("val", 20),
        (None, None),
        (None, None),
    ]
