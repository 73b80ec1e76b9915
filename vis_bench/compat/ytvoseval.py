"""`YTVOSeval`: video AP and AR with the methods and attributes of youtubevos/cocoapi."""

from __future__ import annotations

import copy
import datetime
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from vis_bench.compat.matches import NO_CATEGORY, MatchedSet, matches_of_videos, track_ious
from vis_bench.compat.ytvos import YTVOS
from vis_bench.data.predictions import parse_results
from vis_bench.data.ytvis import parse_dataset
from vis_bench.errors import UsageError
from vis_bench.metrics import average_precision, video_ap
from vis_bench.metrics.matching import IOU_THRESHOLDS, Group, match_groups
from vis_bench.metrics.overlap import video_overlap
from vis_bench.types import Track, TruthTrack

_TRACK_KEYS = ("video_id", "category_id", "score", "segmentations")


class Params:
    """What is evaluated: the attributes of the official class.

    vidIds, catIds: ids. iouThrs [T], recThrs [R]. maxDets [M]: predictions kept of a category and video.
    areaRng: A ranges (least, largest) in pixels, areaRngLbl their names. useCats: 0 takes all categories as
    one. iouType: `segm`. useSegm: None, it was given up long ago.
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
        self.useSegm = None


class YTVOSeval:
    """Evaluate predictions (`cocoDt`, from `YTVOS.loadRes`) against annotations (`cocoGt`).

    After evaluate, accumulate and summarize: `eval` holds precision [T, R, K, A, M] and recall [T, K, A, M],
    -1 where undefined, and the scores at which recall levels are reached [T, R, K, A, M], `stats` the twelve
    numbers. `ious` and `evalImgs` hold what was found in every video and category (`compat/matches.py`); they
    are made when they are looked at. `evalVids` is empty, as there. Predictions that the official code would
    score silently and wrongly (lists of another length than the video, masks of another size) are refused
    with a DataError; unknown categories are left out, as there.
    Source: youtubevos/cocoapi, `pycocotools/ytvoseval.py`.
    """

    def __init__(
        self, cocoGt: YTVOS | None = None, cocoDt: YTVOS | None = None, iouType: str = "segm"
    ) -> None:
        self.cocoGt, self.cocoDt = cocoGt, cocoDt
        self.params = Params(iouType)
        self.eval: dict[str, Any] = {}
        self.stats: np.ndarray | list[float] = []
        self.evalVids: dict[Any, list[Any]] = defaultdict(list)
        self._statistics: average_precision.ApStatistics | None = None
        self._sets: dict[tuple[int, int], MatchedSet] = {}
        self._used = self.params
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
        known = {category.id for category in truth.categories}
        annotations = [one for one in self.cocoDt.dataset["annotations"] if one.get("category_id") in known]
        given = [{key: one[key] for key in _TRACK_KEYS if key in one} for one in annotations]
        tracks: dict[int, list[tuple[int, Track]]] = {video: [] for video in used.vidIds}
        kept = set(used.catIds) if used.useCats else known
        for one, track in zip(annotations, parse_results(given, truth, "predictions"), strict=True):
            if track.video_id in tracks and track.category_id in kept:
                tracks[track.video_id].append((one["id"], track))
        rules = video_ap.ApRules(
            class_agnostic=not used.useCats,
            area_ranges=tuple((float(low), float(high)) for low, high in used.areaRng),
            most=used.maxDets[-1],
        )
        thresholds = np.asarray(used.iouThrs, dtype=float)
        matches = []
        self._sets = {}
        for number, numbered in tracks.items():
            found = [track for _, track in numbered]
            objects = [one for one in truth.tracks_by_video[number] if one.category_id in kept]
            overlap = video_overlap(
                number,
                truth.video_by_id[number].length,
                objects,
                found,
                within_categories=bool(used.useCats),
                masks_in_all=sum(len(one.segmentations) for one in found) * len(tracks),
            )
            groups = list(video_ap.groups(overlap, rules))
            self._keep(number, groups, objects, numbered)
            matches.append(match_groups(number, groups, len(rules.area_ranges), thresholds))
        self._used = copy.deepcopy(used)
        ids = (0,) if rules.class_agnostic else tuple(used.catIds)
        self._statistics = average_precision.gather(matches, ids, len(rules.area_ranges), len(thresholds))

    @property
    def ious(self) -> dict[tuple[int, int], Any]:
        """IoU of whole tracks [d, g] by video and category id, of the last `evaluate`."""
        return track_ious(self._sets, self._used.vidIds, self._categories()) if self._sets else {}

    @property
    def evalImgs(self) -> list[dict[str, Any] | None]:
        """The matches of every category, area range and video of the last `evaluate`."""
        if self._statistics is None:
            return []
        used, thresholds = self._used, np.asarray(self._used.iouThrs, dtype=float)
        return matches_of_videos(
            self._sets, used.vidIds, self._categories(), used.areaRng, used.maxDets[-1], thresholds
        )

    def _categories(self) -> Sequence[int]:
        return self._used.catIds if self._used.useCats else [NO_CATEGORY]

    def _keep(
        self,
        video: int,
        groups: Sequence[Group],
        objects: Sequence[TruthTrack],
        tracks: Sequence[tuple[int, Track]],
    ) -> None:
        """Remember who is who in the groups of one video."""
        for group in groups:
            agnostic = not self.params.useCats
            truth = [one for one in objects if agnostic or one.category_id == group.category]
            found = [one for one in tracks if agnostic or one[1].category_id == group.category]
            if agnostic:
                truth = sorted(truth, key=lambda one: one.category_id)
                found = sorted(found, key=lambda one: one[1].category_id)
            found = sorted(found, key=lambda one: -one[1].score)[: len(group.scores)]
            key = video, NO_CATEGORY if agnostic else group.category
            if truth or found:
                self._sets[key] = MatchedSet(
                    group, [one.id for one in truth], [number for number, _ in found]
                )

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
            "scores": average_precision.reached_scores(
                self._statistics, used.maxDets, np.asarray(used.recThrs, dtype=float)
            ),
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
