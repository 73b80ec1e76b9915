"""Multi-object tracking and segmentation scores: CLEAR MOT and identity measures on the IoU of masks.

The rule is TrackEval's: a match goes on into the next frame only, unlike in py-motmetrics (`mot`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from vis_bench.metrics.assignment import assign
from vis_bench.metrics.frame_links import contested_frames, last_partner, only_partners
from vis_bench.metrics.overlap import VideoOverlap, every_frame_iou

MIN_IOU = 0.5
EPSILON = np.finfo(float).eps
MOSTLY_TRACKED = 0.8  # more than
MOSTLY_LOST = 0.2  # less than
CONTINUED = 1000.0  # what carrying on a match of the last frame counts beside the IoU
COUNTS = ("TP", "FP", "FN", "IDs", "MT", "PT", "ML", "Frag")


@dataclass(frozen=True, slots=True)
class MotsCounts:
    """Sums of one video, or of V videos ([V] arrays). similarity: sum of the IoU of the hits; the rest
    counts.

    identity_hits: masks right under the best one-to-one pairing of whole tracks.
    """

    objects: np.ndarray | int
    predictions: np.ndarray | int
    hits: np.ndarray | int
    switches: np.ndarray | int
    mostly_tracked: np.ndarray | int
    partly_tracked: np.ndarray | int
    mostly_lost: np.ndarray | int
    fragmentations: np.ndarray | int
    identity_hits: np.ndarray | int
    similarity: np.ndarray | float


def per_video(overlap: VideoOverlap, *, class_aware: bool, above: float | None) -> MotsCounts:
    """Counts of one video for the predictions with score > `above` (None: all of them).

    class_aware: every category is evaluated by itself and the counts are added.
    Source: TrackEval `CLEAR.combine_classes_det_averaged`, `Identity.combine_classes_det_averaged`.
    """
    kept = np.full(len(overlap.scores), True) if above is None else overlap.scores > above
    iou = every_frame_iou(overlap)
    parts = [
        count_events(overlap.present_truth[g].T, overlap.present[d].T, iou[:, g[:, None], d])
        for g, d in _sets(overlap, kept, class_aware)
    ]
    return MotsCounts(**{f.name: sum(getattr(part, f.name) for part in parts) for f in fields(MotsCounts)})


def count_events(present_truth: np.ndarray, present: np.ndarray, similarity: np.ndarray) -> MotsCounts:
    """Counts of one set of tracks. present_truth: [L, G], present: [L, D] bool. similarity: [L, G, D] IoU, 0
    where one is absent.

    Frame by frame the largest total of IoU is assigned among the pairs of IoU >= 0.5, where going on with the
    match of the frame before comes first. A switch is an object matched to another track than its last one,
    however long ago. Fragments: how often an object begins to be tracked, less one. Frames in which objects
    or tracks are missing altogether are skipped, so that a match goes on over them.
    Source: TrackEval `CLEAR.eval_sequence`, `Identity.eval_sequence`.
    """
    active = np.flatnonzero(present_truth.any(axis=1) & present.any(axis=1))
    iou = similarity[active]
    possible = iou >= MIN_IOU - EPSILON
    contested, columns = contested_frames(possible), np.arange(present.shape[1])
    assigned = only_partners(possible, contested)
    for t in np.flatnonzero(contested).tolist():
        going_on = assigned[t - 1] if t else np.full(assigned.shape[1], -1)
        g, d = np.flatnonzero(present_truth[active[t]]), np.flatnonzero(present[active[t]])
        gain = np.where(possible[t], CONTINUED * (going_on[:, None] == columns) + iou[t], 0.0)[g[:, None], d]
        i, j = assign(gain, maximize=True)
        real = gain[i, j] > EPSILON
        assigned[t, g[i[real]]] = d[j[real]]
    matched = assigned >= 0
    last = last_partner(assigned)[:-1]
    begins = matched & (np.concatenate([np.full((1, assigned.shape[1]), -1), assigned])[: len(assigned)] < 0)
    tracked = matched.sum(axis=0)
    frames_hit, objects_hit = np.nonzero(matched)
    total = float(iou[frames_hit, objects_hit, assigned[frames_hit, objects_hit]].sum())

    frames = present_truth.sum(axis=0)
    share = tracked[frames > 0] / frames[frames > 0]
    together = (similarity >= MIN_IOU).sum(axis=0)
    mostly = int((share > MOSTLY_TRACKED).sum())
    partly = int((share >= MOSTLY_LOST).sum()) - mostly
    return MotsCounts(
        objects=int(present_truth.sum()),
        predictions=int(present.sum()),
        hits=int(tracked.sum()),
        switches=int((matched & (last >= 0) & (assigned != last)).sum()),
        mostly_tracked=mostly,
        partly_tracked=partly,
        mostly_lost=len(share) - mostly - partly,
        fragmentations=int(np.maximum(begins.sum(axis=0) - 1, 0).sum()),
        identity_hits=int(together[assign(together, maximize=True)].sum()),
        similarity=total,
    )


def gather(videos: Sequence[MotsCounts]) -> MotsCounts:
    """Counts of several videos as [V] arrays, in the order given."""
    return MotsCounts(**{f.name: np.array([getattr(v, f.name) for v in videos]) for f in fields(MotsCounts)})


def reduce(counts: MotsCounts, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Scores under video weights [R, V]: arrays [R].

    MOTSA and sMOTSA <= 1, MOTSP, IDF1, IDP, IDR in 0..1, NaN where undefined (no object, no prediction, no
    hit); the rest are weighted counts.
    Source: Voigtlaender et al., MOTS, CVPR 2019, section 4; TrackEval `CLEAR._compute_final_fields` (MOTSA is
    its MOTA, sMOTSA its sMOTA, MOTSP its MOTP on masks), `Identity._compute_final_fields`.
    """
    weights = np.asarray(weights, dtype=float)
    sums = {f.name: weights @ getattr(counts, f.name) for f in fields(MotsCounts)}
    false_positives = sums["predictions"] - sums["hits"]
    return {
        "MOTSA": _ratio(sums["hits"] - false_positives - sums["switches"], sums["objects"]),
        "sMOTSA": _ratio(sums["similarity"] - false_positives - sums["switches"], sums["objects"]),
        "MOTSP": _ratio(sums["similarity"], sums["hits"]),
        "IDF1": _ratio(2 * sums["identity_hits"], sums["objects"] + sums["predictions"]),
        "IDP": _ratio(sums["identity_hits"], sums["predictions"]),
        "IDR": _ratio(sums["identity_hits"], sums["objects"]),
        "TP": sums["hits"],
        "FP": false_positives,
        "FN": sums["objects"] - sums["hits"],
        "IDs": sums["switches"],
        "MT": sums["mostly_tracked"],
        "PT": sums["partly_tracked"],
        "ML": sums["mostly_lost"],
        "Frag": sums["fragmentations"],
    }


def _sets(
    overlap: VideoOverlap, kept: np.ndarray, class_aware: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows of the objects and of the predictions that are evaluated together."""
    if not class_aware:
        yield np.arange(len(overlap.truth_categories)), np.flatnonzero(kept)
        return
    for category in np.union1d(overlap.truth_categories, overlap.categories[kept]):
        yield (
            np.flatnonzero(overlap.truth_categories == category),
            np.flatnonzero(kept & (overlap.categories == category)),
        )


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(len(denominator), np.nan), where=denominator > 0)
