"""How far the tracks of two devices agree: pixels of the masks, and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vis_bench.masks import rle
from vis_bench.types import Track

TOLERANCE = {
    # (smallest mean IoU, largest difference of scores): sums in another order; eight bits of mantissa
    "fp32": (0.95, 0.02),
    "tf32": (0.90, 0.05),
    "bf16": (0.80, 0.10),
    "fp16": (0.90, 0.05),
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """tracks: (on the CPU, on the device). mean_iou: of the CPU's tracks with the best one of the same class,
    weighted by score. score_difference: the largest between such a pair of IoU 0.5 at least, 0 without one.
    """

    tracks: tuple[int, int]
    mean_iou: float
    score_difference: float

    def within(self, precision: str) -> bool:
        """Whether this is what rounding explains."""
        iou, score = TOLERANCE[precision]
        return self.mean_iou >= iou and self.score_difference <= score

    def values(self, precision: str) -> dict[str, Any]:
        """For the record."""
        return {**asdict(self), "tolerance": TOLERANCE[precision], "within": self.within(precision)}


def agreement(cpu: Sequence[Track], device: Sequence[Track]) -> Agreement:
    """Compare the tracks of one video. Without tracks on either side they agree; on one side, they do not."""
    if not cpu or not device:
        return Agreement((len(cpu), len(device)), 1.0 if not cpu and not device else 0.0, 0.0)
    weight, total, difference = 0.0, 0.0, 0.0
    for track in cpu:
        pairs = [(track_iou(track, other), other.score) for other in device if _same_class(track, other)]
        iou, score = max(pairs, default=(0.0, 0.0))
        weight, total = weight + track.score, total + track.score * iou
        if iou >= 0.5:
            difference = max(difference, abs(track.score - score))
    return Agreement((len(cpu), len(device)), total / weight if weight else 0.0, difference)


def _same_class(track: Track, other: Track) -> bool:
    return track.category_id == other.category_id


def track_iou(a: Track, b: Track) -> float:
    """Pixels in both over pixels in either, of all frames together; 1 for two tracks without a pixel."""
    both = either = 0
    for first, second in zip(a.segmentations, b.segmentations, strict=True):
        masks = [None if one is None else rle.decode(one) > 0 for one in (first, second)]
        known = [mask for mask in masks if mask is not None]
        if len(known) == 2:
            both += int((known[0] & known[1]).sum())
            either += int((known[0] | known[1]).sum())
        else:
            either += sum(int(mask.sum()) for mask in known)
    return both / either if either else 1.0
