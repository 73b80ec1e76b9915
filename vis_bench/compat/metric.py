"""An accumulating metric for training loops: update with videos, compute, merge what other processes saw."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vis_bench.data.predictions import parse_results
from vis_bench.data.ytvis import parse_dataset
from vis_bench.errors import DataError, UsageError
from vis_bench.metrics import operating_point
from vis_bench.metrics.checks import check_tracks
from vis_bench.metrics.operating_point import GRID, GridCounts
from vis_bench.metrics.video_ap import ApRules
from vis_bench.scoring.evaluate import gather, score
from vis_bench.scoring.files import parse_iou_type
from vis_bench.scoring.measure import (
    AT_OPERATING_POINT,
    Comparison,
    VideoMeasures,
    grid_of_video,
    measure_video,
)
from vis_bench.scoring.metric_names import parse_metrics
from vis_bench.scoring.operating_point import OperatingPoint, chosen
from vis_bench.types import Category, Dataset, Track, Video


@dataclass(frozen=True, slots=True)
class MeasuredVideo:
    """What was measured of one video, without its masks.

    measures: with an operating point at every threshold of GRID, since the best one is known when all videos
    are. grid: what chooses it. Where no metric needs one, it is None and measures has no point.
    """

    video: Video
    measures: VideoMeasures
    grid: GridCounts | None


State = Mapping[int, MeasuredVideo]
"""What was measured of every video, by its id. Can be pickled and sent to another process."""


class VideoInstanceMetric:
    """Scores that grow with every batch of videos.

    categories: records {id, name} of the data set. metrics: as `vis_bench.evaluate`. iou_type: `segm` or
    `bbox`. occlusion: annotations have labels of occlusion, as in OVIS. count_crowds: as in LV-VIS.

    >>> square = {"size": [2, 2], "counts": "04"}
    >>> metric = VideoInstanceMetric([{"id": 1, "name": "square"}], metrics="official")
    >>> truth = {
    ...     "videos": [{"id": 1, "width": 2, "height": 2, "file_names": ["a/0.jpg"]}],
    ...     "annotations": [{"id": 1, "video_id": 1, "category_id": 1, "segmentations": [square]}],
    ... }
    >>> found = [{"video_id": 1, "category_id": 1, "score": 0.9, "segmentations": [square]}]
    >>> metric.update(found, truth)
    >>> round(metric.compute()["video_ap"]["AP"], 6)
    1.0
    """

    def __init__(
        self,
        categories: Sequence[Mapping[str, Any]],
        metrics: str | Sequence[str] | None = None,
        iou_type: str = "segm",
        *,
        occlusion: bool = False,
        count_crowds: bool = False,
    ) -> None:
        self._categories = tuple(
            Category(int(one["id"]), str(one["name"]))
            for one in sorted(categories, key=lambda one: one["id"])
        )
        self._metrics = parse_metrics(metrics)
        self._iou_type = parse_iou_type(iou_type)
        self._rules = ApRules(occlusion=occlusion, count_crowds=count_crowds)
        self._state: dict[int, MeasuredVideo] = {}

    def update(self, predictions: Sequence[Mapping[str, Any]], truth: Mapping[str, Any]) -> None:
        """Measure the videos of `truth` now.

        predictions: tracks {video_id, category_id, score, segmentations} of these videos. truth: {videos,
        annotations} as in an annotation file. Raises DataError for what does not fit, and for a video that
        was measured before.
        """
        listed = [{"id": one.id, "name": one.name} for one in self._categories]
        content = {"categories": listed, **truth}
        dataset = parse_dataset(content, "truth", None, "update", "truth", "")
        if dataset.tracks is None:
            raise DataError("truth: has no `annotations`. Give an empty list for videos without objects.")
        tracks = parse_results(list(predictions), dataset, "predictions", iou_type=self._iou_type)
        check_tracks(dataset, tracks, self._iou_type)
        by_video: dict[int, list[Track]] = {video.id: [] for video in dataset.videos}
        self._refuse_repeated(by_video)
        for track in tracks:
            by_video[track.video_id].append(track)
        masks = sum(len(track.segmentations) for track in tracks)
        metrics = frozenset(self._metrics)
        pointed = bool(metrics & AT_OPERATING_POINT)
        work = Comparison(
            dataset,
            by_video,
            metrics,
            self._iou_type,
            masks,
            self._rules,
            above=dict.fromkeys(by_video, GRID) if pointed else {},
        )
        self._state |= {
            video.id: MeasuredVideo(
                video, measure_video(work, video), grid_of_video(work, video) if pointed else None
            )
            for video in dataset.videos
        }

    def compute(self) -> dict[str, Any]:
        """The numbers of all videos so far, as `vis_bench.evaluate` gives them.

        Raises UsageError before the first update.
        """
        if not self._state:
            raise UsageError("No video was measured yet. Call update(predictions, truth) first.")
        ids = sorted(self._state)
        found = [self._state[video] for video in ids]
        point = self._operating_point(found)
        videos = [one.measures for one in found]
        if point is not None:
            at = [GRID.index(point.above[video]) for video in ids]
            videos = [replace(one, points=(one.points[k],)) for one, k in zip(videos, at, strict=True)]
        return score(gather(ids, videos, self._categories, self._metrics, self._rules, point=point))

    def state(self) -> State:
        """What was measured so far, for `merge` in another process."""
        return dict(self._state)

    def merge(self, states: Iterable[State]) -> None:
        """Add what other processes measured. Raises DataError for a video that is here already."""
        for one in states:
            self._refuse_repeated(one)
            self._state |= one

    def reset(self) -> None:
        """Forget all videos."""
        self._state.clear()

    def _operating_point(self, found: Sequence[MeasuredVideo]) -> OperatingPoint | None:
        counts = [one.grid for one in found if one.grid is not None]
        if not counts:
            return None
        videos = tuple(one.video for one in found)
        dataset = Dataset("update", "truth", videos, self._categories, (), None, "", "")
        return chosen(operating_point.gather(counts), dataset)

    def _refuse_repeated(self, videos: Iterable[int]) -> None:
        repeated = sorted(set(videos) & set(self._state))
        if repeated:
            raise DataError(f"video {repeated[0]} was measured before. Give every video once.")
