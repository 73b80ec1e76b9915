"""`YTVOSeval`: video AP and AR with the methods and attributes of youtubevos/cocoapi."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import numpy as np

from vis_bench.compat.ytvos import YTVOS
from vis_bench.data.predictions import parse_results
from vis_bench.data.ytvis import parse_dataset
from vis_bench.errors import UsageError
from vis_bench.metrics import average_precision, video_ap
from vis_bench.metrics.matching import IOU_THRESHOLDS, match_groups
from vis_bench.metrics.overlap import video_overlap
from vis_bench.types import Track

_TRACK_KEYS = ("video_id", "category_id", "score", "segmentations")


class Params:
    """What is evaluated: the attributes of the official class.

    vidIds, catIds: ids. iouThrs [T], recThrs [R]. maxDets [M]: predictions kept of a category and video.
    areaRng: A ranges (least, largest) in pixels, areaRngLbl their names. useCats: 0 takes all categories as
    one. iouType: `segm`.
    """

    def __init__(self, iouType: str = "segm") -> None:
        if iouType != "segm":
            raise UsageError(f"iouType {iouType!r}: the evaluator of videos measures masks ('segm').")
        self.iouType = iouType
        self.vidIds: Sequence[int] = []
        self.catIds: Sequence[int] = []
        self.iouThrs = IOU_THRESHOLDS.copy()
        self.recThrs = average_precision.RECALL_LEVELS.copy()
        self.maxDets: Sequence[int] = list(video_ap.MAX_DETECTIONS)
        self.areaRng: Sequence[Sequence[float]] = video_ap.AREA_RANGES.tolist()
        self.areaRngLbl: Sequence[str] = ["all", "small", "medium", "large"]
        self.useCats = 1


class YTVOSeval:
    """Evaluate predictions (`cocoDt`, from `YTVOS.loadRes`) against annotations (`cocoGt`).

    After evaluate, accumulate and summarize: `eval` holds precision [T, R, K, A, M] and recall [T, K, A, M],
    -1 where undefined, and `stats` the twelve numbers. Predictions that the official code would score
    silently and wrongly (lists of another length than the video, masks of another size) are refused with a
    DataError; unknown categories are left out, as there.
    Source: youtubevos/cocoapi, `pycocotools/ytvoseval.py`.
    """

    def __init__(
        self, cocoGt: YTVOS | None = None, cocoDt: YTVOS | None = None, iouType: str = "segm"
    ) -> None:
        self.cocoGt, self.cocoDt = cocoGt, cocoDt
        self.params = Params(iouType)
        self.eval: dict[str, Any] = {}
        self.stats: np.ndarray | list[float] = []
        self._statistics: average_precision.ApStatistics | None = None
        if cocoGt is not None:
            self.params.vidIds = sorted(cocoGt.getVidIds())
            self.params.catIds = sorted(cocoGt.getCatIds())

    def evaluate(self) -> None:
        """Match the predictions of every video and category of `params`."""
        if self.cocoGt is None or self.cocoDt is None:
            raise UsageError("YTVOSeval needs both annotations (cocoGt) and predictions (cocoDt).")
        used = self.params
        used.vidIds = np.unique(used.vidIds).tolist()
        used.catIds = np.unique(used.catIds).tolist()
        used.maxDets = sorted(used.maxDets)
        truth = parse_dataset(self.cocoGt.dataset, "annotations", None, "annotations", "truth", "")
        given = [
            {key: one[key] for key in _TRACK_KEYS if key in one} for one in self.cocoDt.dataset["annotations"]
        ]
        tracks: dict[int, list[Track]] = {video: [] for video in used.vidIds}
        kept = set(used.catIds) if used.useCats else {category.id for category in truth.categories}
        for track in parse_results(given, truth, "predictions", ignore_unknown_categories=True):
            if track.video_id in tracks and track.category_id in kept:
                tracks[track.video_id].append(track)
        rules = video_ap.ApRules(
            class_agnostic=not used.useCats,
            area_ranges=tuple((float(low), float(high)) for low, high in used.areaRng),
            most=used.maxDets[-1],
        )
        thresholds = np.asarray(used.iouThrs, dtype=float)
        matches = []
        for number, found in tracks.items():
            objects = [one for one in truth.tracks_by_video[number] if one.category_id in kept]
            overlap = video_overlap(
                number,
                truth.video_by_id[number].length,
                objects,
                found,
                within_categories=bool(used.useCats),
                masks_in_all=sum(len(one.segmentations) for one in found) * len(tracks),
            )
            groups = video_ap.groups(overlap, rules)
            matches.append(match_groups(number, groups, len(rules.area_ranges), thresholds))
        ids = (0,) if rules.class_agnostic else tuple(used.catIds)
        self._statistics = average_precision.gather(matches, ids, len(rules.area_ranges), len(thresholds))

    def accumulate(self, p: Params | None = None) -> None:
        """Put precision and recall of `evaluate` into `eval`."""
        if self._statistics is None:
            raise UsageError("Call evaluate() before accumulate().")
        used = self.params if p is None else p
        precision, recall = average_precision.precision_recall(
            self._statistics, used.maxDets, np.asarray(used.recThrs, dtype=float)
        )
        self.eval = {
            "params": used,
            "counts": list(precision.shape),
            "date": datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
            "precision": precision,
            "recall": recall,
        }

    def summarize(self) -> None:
        """Print the twelve numbers and keep them in `stats`: AP, AP50, AP75, APs, APm, APl, then AR alike."""
        if not self.eval:
            raise UsageError("Call accumulate() before summarize().")
        counts = self.params.maxDets
        most = counts[min(2, len(counts) - 1)]
        # the first line asks for 100 predictions whatever maxDets says, as the official one does
        rows: list[tuple[bool, float | None, str, int]] = [
            (True, None, "all", video_ap.MAX_DETECTIONS[-1]),
            (True, 0.5, "all", most),
            (True, 0.75, "all", most),
            *((True, None, area, most) for area in ("small", "medium", "large")),
            *((False, None, "all", count) for count in counts[:3]),
            *((False, None, area, most) for area in ("small", "medium", "large")),
        ]
        self.stats = np.array([self._summary(*row) for row in rows])

    def __str__(self) -> str:
        return f"YTVOSeval of {len(self.params.vidIds)} videos, stats {list(self.stats)}"

    def _summary(self, is_precision: bool, threshold: float | None, area: str, most: int) -> float:
        used = self.params
        areas = [k for k, label in enumerate(used.areaRngLbl) if label == area]
        counts = [k for k, count in enumerate(used.maxDets) if count == most]
        values = self.eval["precision" if is_precision else "recall"]
        if threshold is not None:
            values = values[np.flatnonzero(np.asarray(used.iouThrs) == threshold)]
        values = values[..., areas, :][..., counts]
        defined = values[values > -1]
        mean = float(defined.mean()) if defined.size else -1.0
        title, kind = ("Average Precision", "(AP)") if is_precision else ("Average Recall", "(AR)")
        iou = f"{used.iouThrs[0]:.2f}:{used.iouThrs[-1]:.2f}" if threshold is None else f"{threshold:.2f}"
        print(f" {title:<18} {kind} @[ IoU={iou:<9} | area={area:>6s} | maxDets={most:>3d} ] = {mean:.3f}")
        return mean
