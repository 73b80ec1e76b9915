"""Multiple object tracking scores (CLEAR MOT and identity measures) on boxes, or on masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from vis_bench.metrics.assignment import assign, largest_total
from vis_bench.metrics.frame_links import carried_on, last_partner
from vis_bench.metrics.overlap import (
    VideoOverlap,
    box_array,
    divide_or_zero,
    every_frame_iou,
)
from vis_bench.types import IouType, Track, TruthTrack

SCORE_THRESHOLDS = (0.0, 0.1, 0.3, 0.5)
"""A prediction is kept if its score is strictly greater."""
MIN_IOU = 0.5
MOSTLY_TRACKED = 0.8
MOSTLY_LOST = 0.2
RATES = ("IDF1", "IDP", "IDR", "MOTA", "recall")
COUNTS = ("IDs", "FP", "FN", "MT", "ML", "Frag")


@dataclass(frozen=True, slots=True)
class MotCounts:
    """Counts of one video (ints), or of V videos ([V] int64 arrays).

    objects, predictions: boxes over all frames. misses, false_positives, switches, fragmentations: events of
    the frame-by-frame matching. identity_hits: boxes right under the best one-to-one pairing of whole tracks.
    mostly_tracked, mostly_lost: truth tracks.
    """

    objects: np.ndarray | int
    predictions: np.ndarray | int
    misses: np.ndarray | int
    false_positives: np.ndarray | int
    switches: np.ndarray | int
    fragmentations: np.ndarray | int
    identity_hits: np.ndarray | int
    mostly_tracked: np.ndarray | int
    mostly_lost: np.ndarray | int


@dataclass(frozen=True, slots=True)
class TrackDistances:
    """Distances of one video with G truth and D predicted tracks, for any choice among the predictions.

    truth_categories [G], categories [D] int64. scores [D] float64. present_truth [L, G], present [L, D] bool.
    distance: [L, G, D] float64, 1 - IoU of the boxes (or masks), NaN where a match is impossible.
    """

    truth_categories: np.ndarray
    categories: np.ndarray
    scores: np.ndarray
    present_truth: np.ndarray
    present: np.ndarray
    distance: np.ndarray


def box_distances(
    length: int, truth: Sequence[TruthTrack], predictions: Sequence[Track], iou_type: IouType = "segm"
) -> TrackDistances:
    """Box distances of one video, categories left aside.

    segm: boxes are the tight boxes of the masks, tracks without any mask bring their own. bbox: the boxes
    that were given, as for box AP, and the tight box of the mask where there is none. A frame without a mask
    (or box), or with an empty one, is absence. Crowd truth is an object like any other.
    """
    first = box_array(truth, length, iou_type)[:, :, None]
    second = box_array(predictions, length, iou_type)[:, None]
    low = np.maximum(first[..., :2], second[..., :2])
    high = np.minimum(first[..., :2] + first[..., 2:], second[..., :2] + second[..., 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=-1)
    iou = divide_or_zero(
        shared, np.prod(first[..., 2:], axis=-1) + np.prod(second[..., 2:], axis=-1) - shared
    )
    return TrackDistances(
        truth_categories=np.array([track.category_id for track in truth], dtype=np.int64),
        categories=np.array([track.category_id for track in predictions], dtype=np.int64),
        scores=np.array([track.score for track in predictions], dtype=float),
        present_truth=~np.isnan(first[:, :, 0, 0]),
        present=~np.isnan(second[:, 0, :, 0]),
        distance=np.where(iou >= MIN_IOU, 1.0 - iou, np.nan),
    )


def mask_distances(overlap: VideoOverlap) -> TrackDistances:
    """The same by the IoU of the masks (of the boxes for iou_type `bbox`), categories left aside."""
    iou = every_frame_iou(overlap)
    return TrackDistances(
        truth_categories=overlap.truth_categories,
        categories=overlap.categories,
        scores=overlap.scores,
        present_truth=overlap.present_truth.T,
        present=overlap.present.T,
        distance=np.where(iou >= MIN_IOU, 1.0 - iou, np.nan),
    )


def per_video(video: TrackDistances, *, class_aware: bool, above: float) -> MotCounts:
    """Counts of one video for the predictions with score > `above`.

    class_aware: tracks of different categories cannot match.
    Source: py-motmetrics 1.4.0, `MOTAccumulator.update` and `motmetrics.metrics`, overall row.
    """
    kept = np.flatnonzero(video.scores > above)
    distance = video.distance[:, :, kept]
    if class_aware:
        other = video.truth_categories[:, None] != video.categories[kept][None, :]
        distance = np.where(other, np.nan, distance)
    return count_events(video.present_truth, video.present[:, kept], distance)


def setting(video: TrackDistances, *, class_aware: bool, above: float) -> tuple[bytes, bool]:
    """Settings of one video for which this is equal have equal counts."""
    kept = video.scores > above
    other = video.truth_categories[:, None] != video.categories
    possible = np.isfinite(video.distance).any(axis=0)
    return kept.tobytes(), class_aware and bool((possible & other & kept).any())


def count_events(present_truth: np.ndarray, present: np.ndarray, distance: np.ndarray) -> MotCounts:
    """Counts from presence and distances alone.

    present_truth: [L, G] bool. present: [L, D] bool. distance: [L, G, D] float64, NaN = no match possible.

    A match of an earlier frame is carried on whenever it is still possible, however long ago it was; the rest
    is assigned by smallest total distance. A switch is an object assigned to another track than its last one.
    Source: Bernardin and Stiefelhagen 2008 (CLEAR MOT); Ristani et al. 2016 (identity measures).
    """
    possible = np.isfinite(distance)
    assigned = _follow(present_truth, present, possible, distance)
    before = last_partner(assigned)[:-1]
    tracked = assigned >= 0
    objects, predictions, hits = int(present_truth.sum()), int(present.sum()), int(tracked.sum())
    frames = present_truth.sum(axis=0)
    share = tracked.sum(axis=0)[frames > 0] / frames[frames > 0]
    together = possible.sum(axis=0)
    return MotCounts(
        objects=objects,
        predictions=predictions,
        misses=objects - hits,
        false_positives=predictions - hits,
        switches=int((tracked & (before >= 0) & (assigned != before)).sum()),
        fragmentations=_fragmentations(present_truth, tracked),
        identity_hits=largest_total(together),
        mostly_tracked=int((share >= MOSTLY_TRACKED).sum()),
        mostly_lost=int((share < MOSTLY_LOST).sum()),
    )


def gather(videos: Sequence[MotCounts]) -> MotCounts:
    """Counts of several videos as [V] int64 arrays, in the order given."""
    return MotCounts(
        **{f.name: np.array([getattr(v, f.name) for v in videos], dtype=np.int64) for f in fields(MotCounts)}
    )


def reduce(counts: MotCounts, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Scores under video weights [R, V]: arrays [R].

    IDF1, IDP, IDR, recall in 0..1 and MOTA <= 1, NaN where undefined (no object, no prediction); IDs, FP, FN,
    MT, ML and Frag are (weighted) counts.
    Source: py-motmetrics `idf1_m`, `idp_m`, `idr_m`, `mota_m`, `recall`: counts are added over videos before
    dividing.
    """
    weights = np.asarray(weights, dtype=float)
    total = {f.name: weights @ getattr(counts, f.name) for f in fields(MotCounts)}
    errors = total["misses"] + total["switches"] + total["false_positives"]
    return {
        "IDF1": _ratio(2 * total["identity_hits"], total["objects"] + total["predictions"]),
        "IDP": _ratio(total["identity_hits"], total["predictions"]),
        "IDR": _ratio(total["identity_hits"], total["objects"]),
        "MOTA": 1.0 - _ratio(errors, total["objects"]),
        "recall": _ratio(total["objects"] - total["misses"], total["objects"]),
        "IDs": total["switches"],
        "FP": total["false_positives"],
        "FN": total["misses"],
        "MT": total["mostly_tracked"],
        "ML": total["mostly_lost"],
        "Frag": total["fragmentations"],
    }


def _follow(
    present_truth: np.ndarray, present: np.ndarray, possible: np.ndarray, distance: np.ndarray
) -> np.ndarray:
    """The track matched to every object in every frame: [L, G] int64 columns, -1 for none.

    possible: [L, G, D] bool, where distance [L, G, D] is finite.
    """

    def solve(t: int, left: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = np.flatnonzero(present_truth[t]), np.flatnonzero(present[t])
        costs = np.where(left, distance[t], np.nan)
        i, j = _assign(costs[rows[:, None], columns])
        return rows[i], columns[j]

    return carried_on(possible, solve)


def _assign(costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of smallest total cost among the finite ones; as many pairs as possible come first.

    The impossible pairs get one large finite cost, chosen as py-motmetrics chooses it, because which of two
    equally good assignments scipy returns depends on it.
    """
    possible = np.isfinite(costs)
    if not possible.any():
        none = np.zeros(0, dtype=np.int64)
        return none, none
    large = 2 * min(costs.shape) * (np.abs(costs[possible]).max() + 1) + 1
    i, j = assign(np.where(possible, costs, large))
    valid = possible[i, j]
    return i[valid], j[valid]


def _fragmentations(present_truth: np.ndarray, tracked: np.ndarray) -> int:
    """How often a tracked object gets lost and is found again later; frames without it do not count."""
    state = np.where(present_truth, tracked, -1)
    begins = tracked & (last_partner(state)[:-1] != 1)
    return int(np.maximum(begins.sum(axis=0) - 1, 0).sum())


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(len(denominator), np.nan), where=denominator > 0)
