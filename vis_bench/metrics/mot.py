"""Multiple object tracking scores (CLEAR MOT and identity measures) on boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from vis_bench.metrics.assignment import assign
from vis_bench.metrics.overlap import box_intersections, divide_or_zero, track_boxes
from vis_bench.types import Box, IouType, Track, TruthTrack

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
class BoxDistances:
    """Distances of one video with G truth and D predicted tracks, for any choice among the predictions.

    truth_categories [G], categories [D] int64. scores [D] float64. present_truth [L, G], present [L, D] bool.
    distance: [L, G, D] float64, 1 - IoU of the boxes, NaN where a match is impossible.
    """

    truth_categories: np.ndarray
    categories: np.ndarray
    scores: np.ndarray
    present_truth: np.ndarray
    present: np.ndarray
    distance: np.ndarray


def box_distances(
    length: int, truth: Sequence[TruthTrack], predictions: Sequence[Track], iou_type: IouType = "segm"
) -> BoxDistances:
    """Box distances of one video, categories left aside.

    segm: boxes are the tight boxes of the masks, tracks without any mask bring their own. bbox: the boxes
    that were given, as for box AP, and the tight box of the mask where there is none. A frame without a mask
    (or box), or with an empty one, is absence. Crowd truth is an object like any other.
    """
    truth_boxes = [_boxes(track, iou_type) for track in truth]
    boxes = [_boxes(track, iou_type) for track in predictions]
    present_truth = _presence(truth_boxes, length)
    present = _presence(boxes, length)
    distance = np.full((length, len(truth), len(predictions)), np.nan)
    for t in range(length):
        g, d = np.flatnonzero(present_truth[t]), np.flatnonzero(present[t])
        first = np.array([truth_boxes[i][t] for i in g], dtype=float).reshape(-1, 4)
        second = np.array([boxes[i][t] for i in d], dtype=float).reshape(-1, 4)
        shared = box_intersections(first, second)
        union = (first[:, 2] * first[:, 3])[:, None] + (second[:, 2] * second[:, 3])[None, :] - shared
        iou = divide_or_zero(shared, union)
        distance[t][np.ix_(g, d)] = np.where(iou >= MIN_IOU, 1.0 - iou, np.nan)
    return BoxDistances(
        truth_categories=np.array([track.category_id for track in truth], dtype=np.int64),
        categories=np.array([track.category_id for track in predictions], dtype=np.int64),
        scores=np.array([track.score for track in predictions], dtype=float),
        present_truth=present_truth,
        present=present,
        distance=distance,
    )


def per_video(video: BoxDistances, *, class_aware: bool, above: float) -> MotCounts:
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


def count_events(present_truth: np.ndarray, present: np.ndarray, distance: np.ndarray) -> MotCounts:
    """Counts from presence and distances alone.

    present_truth: [L, G] bool. present: [L, D] bool. distance: [L, G, D] float64, NaN = no match possible.

    A match of an earlier frame is carried on whenever it is still possible, however long ago it was; the rest
    is assigned by smallest total distance. A switch is an object assigned to another track than its last one.
    Source: Bernardin and Stiefelhagen 2008 (CLEAR MOT); Ristani et al. 2016 (identity measures).
    """
    possible = np.isfinite(distance)
    partner = np.full(present_truth.shape[1], -1)
    tracked = np.zeros_like(present_truth)
    switches = 0
    for t in np.flatnonzero(possible.any(axis=(1, 2))):
        costs = distance[t].copy()
        for g in np.flatnonzero(present_truth[t] & (partner >= 0)).tolist():
            d = int(partner[g])
            if np.isfinite(costs[g, d]):
                tracked[t, g] = True
                costs[g, :] = np.nan
                costs[:, d] = np.nan
        for g, d in _assign(costs[np.ix_(present_truth[t], present[t])], present_truth[t], present[t]):
            switches += int(partner[g] not in (-1, d))
            partner[g] = d
            tracked[t, g] = True

    objects, predictions, hits = int(present_truth.sum()), int(present.sum()), int(tracked.sum())
    frames = present_truth.sum(axis=0)
    share = tracked.sum(axis=0)[frames > 0] / frames[frames > 0]
    together = possible.sum(axis=0)
    return MotCounts(
        objects=objects,
        predictions=predictions,
        misses=objects - hits,
        false_positives=predictions - hits,
        switches=switches,
        fragmentations=sum(_gaps(tracked[present_truth[:, g], g]) for g in range(present_truth.shape[1])),
        identity_hits=int(together[assign(together, maximize=True)].sum()),
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


def _assign(costs: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of smallest total cost among the finite ones; as many pairs as possible come first.

    The impossible pairs get one large finite cost, chosen as py-motmetrics chooses it, because which of two
    equally good assignments scipy returns depends on it.
    """
    possible = np.isfinite(costs)
    if not possible.any():
        return []
    large = 2 * min(costs.shape) * (np.abs(costs[possible]).max() + 1) + 1
    i, j = assign(np.where(possible, costs, large))
    valid = possible[i, j]
    row_ids, column_ids = np.flatnonzero(rows), np.flatnonzero(columns)
    return list(zip(row_ids[i[valid]].tolist(), column_ids[j[valid]].tolist(), strict=True))


def _gaps(tracked: np.ndarray) -> int:
    """How often a tracked object gets lost and is found again later."""
    hits = np.flatnonzero(tracked)
    if hits.size == 0:
        return 0
    span = tracked[hits[0] : hits[-1] + 1]
    return int((span[:-1] & ~span[1:]).sum())


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(len(denominator), np.nan), where=denominator > 0)


def _boxes(track: Track | TruthTrack, iou_type: IouType) -> list[Box | None]:
    own = iou_type == "bbox" or all(rle is None for rle in track.segmentations)
    boxes = track_boxes(track.boxes if own else None, track.segmentations)
    return [None if box is None or box[2] <= 0 or box[3] <= 0 else box for box in boxes]


def _presence(boxes: Sequence[Sequence[Box | None]], length: int) -> np.ndarray:
    return np.array([[box is not None for box in row] for row in boxes], dtype=bool).reshape(-1, length).T
