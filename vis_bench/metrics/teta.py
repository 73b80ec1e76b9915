"""TETA: localisation, association and classification of tracks, each by itself, on mask IoU.

A prediction is judged with the objects of the class that it overlaps, whatever class it claims.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.metrics.assignment import assign
from vis_bench.metrics.average_precision import mean_of_defined
from vis_bench.metrics.hota import EPSILON, alignment
from vis_bench.metrics.overlap import VideoOverlap, divide_or_zero, every_frame_iou

ALPHAS = np.arange(0.0, 0.99, 0.05)
FIRST_CLASS_ALPHA = 10
"""Classes are judged at the thresholds from ALPHAS[10], 0.5, on."""
CLASSED = (np.arange(len(ALPHAS)) >= FIRST_CLASS_ALPHA).astype(float)
MIN_OVERLAP = 0.5
METRICS = ("TETA", "LocA", "AssocA", "ClsA", "LocRe", "LocPr", "AssocRe", "AssocPr", "ClsRe", "ClsPr")


@dataclass(frozen=True, slots=True)
class TetaSums:
    """Sums of one category in one video ([20] float64, one per threshold), or of n of them ([n, 20]).

    hits, misses, false_positives: masks, by localisation alone. association and its two parts: sum over hits
    as in HOTA. right_class: hits of the right class. class_misses: hits of this category's objects by another
    class. class_false_positives: false claims of this class, on objects of others or on none. The three are 0
    below threshold 0.5.
    """

    hits: np.ndarray
    misses: np.ndarray
    false_positives: np.ndarray
    association: np.ndarray
    association_recall: np.ndarray
    association_precision: np.ndarray
    right_class: np.ndarray
    class_misses: np.ndarray
    class_false_positives: np.ndarray


@dataclass(frozen=True, slots=True)
class TetaStatistics:
    """category, video: [n] int64 positions of the n pairs of category and video. sums: [n, 20] arrays."""

    category: np.ndarray
    video: np.ndarray
    sums: TetaSums


def per_video(overlap: VideoOverlap, above: float | None) -> dict[int, TetaSums]:
    """Sums of one video by category id, for the predictions with score > `above` (None: all of them).

    The truth is complete, so that a prediction beside all objects of its class is a false claim of that
    class. As in the public code such claims take the place of what objects of classes with smaller ids were
    wrongly called, where nothing lies on an object of the class.
    Source: Li et al., Tracking Every Thing in the Wild, ECCV 2022, section 4; SysCV/tet `TETA.eval_sequence`
    and `COCOMOTS.get_preprocessed_seq_data_thr`, threshold 50, exhaustive.
    """
    kept = np.full(len(overlap.scores), True) if above is None else overlap.scores > above
    iou, present_truth, present = every_frame_iou(overlap), overlap.present_truth.T, overlap.present.T & kept
    near = (iou >= MIN_OVERLAP) & present[:, None, :]
    taken = _taken(iou, present_truth, present & near.any(axis=(0, 1)))
    categories = np.union1d(overlap.truth_categories, overlap.categories[kept]).tolist()
    result = {category: np.zeros((len(TetaSums.__slots__), len(ALPHAS))) for category in categories}
    for category, sums in result.items():
        g = np.flatnonzero(overlap.truth_categories == category)
        others = overlap.truth_categories != category
        # what lies on an object of this class, less what another class's object has in that frame
        candidates = near[:, g].any(axis=1) & ~taken[:, others].any(axis=1)
        d = np.flatnonzero(candidates.any(axis=0))
        claims = present[:, overlap.categories == category].sum()
        if not d.size:
            sums[1] += present_truth[:, g].sum()
            sums[8] = claims * CLASSED
            continue
        sums[8] += (claims - candidates[:, overlap.categories == category].sum()) * CLASSED
        wrong = _add_sums(
            sums,
            iou[:, g[:, None], d],
            present_truth[:, g],
            present[:, d],
            candidates[:, d],
            overlap.categories[d],
            category,
        )
        for claimed, count in wrong.items():
            if claimed in result:
                result[claimed][8] += count
    return {category: TetaSums(*sums) for category, sums in result.items() if sums.any()}


def gather(videos: Sequence[dict[int, TetaSums]], category_ids: Sequence[int]) -> TetaStatistics:
    """From `per_video` of every video, in the order given."""
    row = {category: k for k, category in enumerate(category_ids)}
    parts = [(v, row[category], sums) for v, video in enumerate(videos) for category, sums in video.items()]
    return TetaStatistics(
        category=np.array([k for _, k, _ in parts], dtype=np.int64),
        video=np.array([v for v, _, _ in parts], dtype=np.int64),
        sums=TetaSums(
            *(
                np.array([getattr(sums, name) for _, _, sums in parts]).reshape(-1, len(ALPHAS))
                for name in TetaSums.__slots__
            )
        ),
    )


def reduce(statistics: TetaStatistics, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The numbers of METRICS under video weights [R, V]: arrays [R] in 0..1, NaN where there is no truth.

    The mean over the categories that have truth, and over the thresholds.
    Source: SysCV/tet `TETA.combine_sequences`, `combine_classes_class_averaged`, `_compute_final_fields`.
    """
    weights = np.asarray(weights, dtype=float)
    categories = np.unique(statistics.category)
    values = {name: np.full((len(weights), len(categories)), np.nan) for name in METRICS}
    for k, category in enumerate(categories):
        mine = np.flatnonzero(statistics.category == category)
        part = weights[:, statistics.video[mine]]
        sums = TetaSums(*(part @ getattr(statistics.sums, name)[mine] for name in TetaSums.__slots__))
        has_truth = (sums.hits + sums.misses)[:, 0] > 0
        for name, found in _final(sums).items():
            values[name][has_truth, k] = found[has_truth]
    return {name: mean_of_defined(found) for name, found in values.items()}


def _final(sums: TetaSums) -> dict[str, np.ndarray]:
    """The numbers of one category: arrays [R]."""
    right, lost, false = (
        getattr(sums, name)[:, FIRST_CLASS_ALPHA:]
        for name in ("right_class", "class_misses", "class_false_positives")
    )
    result = {
        "LocA": divide_or_zero(sums.hits, sums.hits + sums.misses + sums.false_positives),
        "LocRe": divide_or_zero(sums.hits, sums.hits + sums.misses),
        "LocPr": divide_or_zero(sums.hits, sums.hits + sums.false_positives),
        "AssocA": divide_or_zero(sums.association, sums.hits),
        "AssocRe": divide_or_zero(sums.association_recall, sums.hits),
        "AssocPr": divide_or_zero(sums.association_precision, sums.hits),
        "ClsA": divide_or_zero(right, right + lost + false),
        "ClsRe": divide_or_zero(right, right + lost),
        "ClsPr": divide_or_zero(right, right + false),
    }
    means = {name: values.mean(axis=1) for name, values in result.items()}
    return {"TETA": (means["LocA"] + means["AssocA"] + means["ClsA"]) / 3, **means}


def _taken(iou: np.ndarray, present_truth: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Which prediction each object has at IoU >= 0.5 when all classes compete: [L, G, D] bool."""
    taken = np.zeros(iou.shape, dtype=bool)
    aligned = alignment(iou, present_truth, present)
    for t, g, d, part in _frames(iou, present_truth, present):
        i, j = assign(-(aligned[g[:, None], d] * part))
        hit = part[i, j] >= MIN_OVERLAP - EPSILON
        taken[t, g[i[hit]], d[j[hit]]] = True
    return taken


def _add_sums(
    sums: np.ndarray,
    iou: np.ndarray,
    present_truth: np.ndarray,
    present: np.ndarray,
    candidates: np.ndarray,
    claimed: np.ndarray,
    category: int,
) -> dict[int, np.ndarray]:
    """Add one category's sums of one video; returns the hits by class that claim another category, [20] each.

    sums: [9, 20], rows as TetaSums. iou: [L, G, D]. present_truth [L, G]; present, candidates [L, D]: where a
    prediction is, and where it lies on an object. claimed: [D] category ids.
    """
    truth_count, count = present_truth.sum(axis=0).astype(float), present.sum(axis=0).astype(float)
    aligned = alignment(iou, present_truth, present)
    matches = np.zeros((len(ALPHAS), len(truth_count), len(count)))
    wrong: dict[int, np.ndarray] = {}
    for t, g, d, part in _frames(iou, present_truth, present):
        on_object = candidates[t]
        i, j = assign(-(aligned[g[:, None], d] * part))
        hit = part[i, j] >= ALPHAS[:, None] - EPSILON
        matches[:, g[i], d[j]] += hit
        free = on_object.sum() - (hit & on_object[d[j]]).sum(axis=1)
        sums[2] += free
        for claim, column in zip(claimed[d[j]].tolist(), hit.T, strict=True):
            if claim == category:
                sums[6] += column * CLASSED
            else:
                sums[7] += column * CLASSED
                wrong[claim] = wrong.get(claim, 0.0) + column * CLASSED
    hits = matches.sum(axis=(1, 2))
    both = truth_count[:, None] + count[None, :]
    sums[0] += hits
    sums[1] += truth_count.sum() - hits
    sums[3] += (matches * matches / np.maximum(1, both - matches)).sum(axis=(1, 2))
    sums[4] += (matches * matches / np.maximum(1, truth_count)[:, None]).sum(axis=(1, 2))
    sums[5] += (matches * matches / np.maximum(1, count)).sum(axis=(1, 2))
    return wrong


def _frames(
    iou: np.ndarray, present_truth: np.ndarray, present: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Number, rows, columns and IoU of the frames that have both."""
    for t in np.flatnonzero(present_truth.any(axis=1) & present.any(axis=1)).tolist():
        g, d = np.flatnonzero(present_truth[t]), np.flatnonzero(present[t])
        yield t, g, d, iou[t][g[:, None], d]
