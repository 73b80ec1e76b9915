"""Records of strangers: what cannot be the number of a run is refused wherever records are read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vis_bench.errors import DataError
from vis_bench.records.rows import check_record
from vis_bench.records.run import read_record
from vis_bench.records.soundness import unsound

STORED = sorted((Path(__file__).parents[2] / "results").rglob("record.json"))


def changed(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    record = json.loads(STORED[0].read_text())
    place = record["metrics"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return record


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.parent.name)
def test_every_stored_record_is_sound(path: Path) -> None:
    assert unsound(json.loads(path.read_text())["metrics"]) is None


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("video_ap", "AP"), 7.5, "video_ap.AP is 7.5, it lies in 0 to 1"),
        (("video_ap", "AP50"), -0.1, "video_ap.AP50 is -0.1"),
        (("video_ap", "AP"), True, "video_ap.AP is True, a finite number or null"),
        (("video_ap", "AP"), "0.5", "video_ap.AP is '0.5'"),
        (("video_ap", "AP"), float("inf"), "video_ap.AP is inf"),
        (("video_ap", "AP"), 10**400, "video_ap.AP is 10+, a finite number"),
        (("video_ap",), [], r"video_ap is \[\], an object is needed"),
        (("per_category",), 5, "per_category is 5, an object is needed"),
        (("per_category", "disc", "AP"), 2, "per_category.disc.AP is 2"),
        (("mot",), "x", "mot is 'x', an object is needed"),
        (("mot", "class_agnostic", "0.3", "IDF1"), 1.5, "mot.class_agnostic.0.3.IDF1 is 1.5"),
        (("mot", "class_agnostic", "0.3", "IDs"), -1, "mot.class_agnostic.0.3.IDs is -1"),
        (("hota",), 5, "hota is 5, an object is needed"),
        (("hota", "class_aware", "all", "HOTA"), 3, "hota.class_aware.all.HOTA is 3"),
        (("errors",), [], r"errors is \[\], an object is needed"),
    ],
)
def test_what_is_no_number_of_a_run_is_refused(tmp_path: Path, path, value, said: str) -> None:
    record = changed(path, value)
    with pytest.raises(DataError, match=f"metrics: {said}"):
        check_record(record, 0)
    (tmp_path / "record.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=rf"record\.json: not a vis-bench record: metrics: {said}"):
        read_record(tmp_path / "record.json")


def test_a_loss_of_many_objects_is_a_sound_accuracy() -> None:
    """MOTA has no lower bound."""
    check_record(changed(("mot", "class_agnostic", "0.3", "MOTA"), -12.5), 0)


def test_a_finished_run_without_numbers_is_refused() -> None:
    record = changed(("video_ap", "AP"), 0.5) | {"metrics": {}}
    with pytest.raises(DataError, match="there are no metrics"):
        check_record(record, 0)
