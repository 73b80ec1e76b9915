"""What a split has to learn from: objects by class, before hours are spent on a split without any."""

from __future__ import annotations

from collections import Counter

from vis_bench.errors import DataError
from vis_bench.masks import rle
from vis_bench.types import Dataset, TracksOnDemand

NAMES_SHOWN = 3


def object_counts(dataset: Dataset) -> Counter[int]:
    """Objects that are no crowd and have a pixel, by category id; classes without one are left out."""
    tracks = dataset.tracks or ()
    if isinstance(tracks, TracksOnDemand):
        return Counter(tracks.shown_categories())
    return Counter(
        track.category_id
        for track in tracks
        if not track.is_crowd and any(mask is not None and rle.area(mask) for mask in track.segmentations)
    )


def require_lessons(dataset: Dataset) -> None:
    """Refuse to train on a split without an object. Raises DataError."""
    if object_counts(dataset):
        return
    found = len(dataset.tracks or ())
    reason = f"{found} annotations, all of them crowds or without a pixel" if found else "no annotation"
    raise DataError(
        f"{dataset.name} {dataset.split}: there is no object to learn from ({reason}), and a training on it "
        "would end with a row of zeros. Give a training split with objects, or score a checkpoint: "
        "vis-bench run --weights FILE --no-train."
    )


def unlearnt_text(train: Dataset) -> str | None:
    """A warning of the classes that no training object has, None where every class has one."""
    counts = object_counts(train)
    absent = [category.name for category in train.categories if not counts[category.id]]
    if not absent:
        return None
    more = f" and {len(absent) - NAMES_SHOWN} more" if len(absent) > NAMES_SHOWN else ""
    return (
        f"{len(absent)} of {len(train.categories)} classes never occur in {train.name} {train.split} and "
        f"cannot be learnt: {', '.join(absent[:NAMES_SHOWN])}{more}"
    )
