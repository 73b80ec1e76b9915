"""Transplants: the association rule of one method over the stored frame predictions of another. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vis_bench.data import splits
from vis_bench.data.frame_predictions import FramePredictions
from vis_bench.errors import DataError, MethodError, UsageError
from vis_bench.method import MethodSpec
from vis_bench.setup.plugins import load_object, load_spec, method_names
from vis_bench.types import Dataset, Track


@dataclass(frozen=True, slots=True)
class Rule:
    """An association rule: a method's functions and the configuration that they read."""

    name: str
    spec: MethodSpec
    config: Any


def methods_with_rules() -> list[str]:
    """Names of the installed methods whose association stands alone, sorted."""
    return [name for name in method_names() if load_spec(name).associate is not None]


def require_rule(name: str, spec: MethodSpec) -> None:
    """Raise UsageError unless the method's association stands alone."""
    if spec.associate is None or spec.summarise is None:
        raise UsageError(
            f"Method {name!r} has no association rule of its own to apply to stored detections. "
            f"Those that have one: {', '.join(methods_with_rules()) or 'none'}."
        )


def stored_videos(dataset: Dataset, frames: FramePredictions) -> Dataset:
    """The dataset's videos that the frame predictions hold; a run with --limit holds the first ones.

    Raises DataError when there is none.
    """
    ids = frozenset(dataset.video_by_id) & frozenset(frames.videos)
    if not ids:
        raise DataError("The frame predictions hold no video.")
    return splits.keep_videos(dataset, dataset.split, ids)


def reassociate(rule: Rule, frames: FramePredictions, dataset: Dataset) -> list[Track]:
    """Tracks of every video of `dataset`, in its order, from stored detections under a rule.

    With the rule and the detections of one method these are the tracks of its run. Embeddings of any width
    are taken as they are; those of width 0 say nothing. Raises UsageError for a method without a rule,
    DataError for detections without masks, MethodError for a rule that does not give one result per frame.
    """
    require_rule(rule.name, rule.spec)
    if frames.iou_type == "bbox":
        raise DataError(
            "These frame predictions are boxes without masks, and the association rules put out masks. "
            "Keep the frames of a method that predicts masks."
        )
    associate, summarise = load_object(str(rule.spec.associate)), load_object(str(rule.spec.summarise))
    tracks: list[Track] = []
    for video in dataset.videos:
        found = frames.videos[video.id]
        results = list(associate(rule.config, iter(found), len(dataset.categories)))
        if [result.index for result in results] != list(range(video.length)):
            raise MethodError(f"{rule.name}: {len(results)} frame results for {video.length} frames")
        tracks += [
            Track(
                video_id=video.id,
                category_id=dataset.categories[instance.label].id,
                score=float(instance.score),
                segmentations=instance.segmentations,
                boxes=instance.boxes,
            )
            for instance in summarise(rule.config, results, video.length)
        ]
    return tracks
