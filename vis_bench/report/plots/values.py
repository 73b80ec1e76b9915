"""What plots need beyond the records: curves, slices and repair gains, from predictions and truth.

Every number comes from `vis_bench.scoring.evaluate`, as in `vis-bench eval` and `vis-bench explain`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vis_bench.data.bar import bar
from vis_bench.data.predictions import read_results
from vis_bench.metrics import decomposition, hota, video_ap
from vis_bench.metrics.average_precision import mean_of_defined
from vis_bench.metrics.slices import VideoSlices, video_slices
from vis_bench.metrics.track_errors import KINDS
from vis_bench.records.columns import MOT_THRESHOLD, Record
from vis_bench.records.rows import Block
from vis_bench.records.run import PREDICTIONS_NAME
from vis_bench.scoring.evaluate import decompose, measure
from vis_bench.scoring.operating_point import OperatingPoint, placed, recorded
from vis_bench.scoring.statistics import Statistics, reduce
from vis_bench.types import Dataset, IouType, Track

_ALL_AREAS, _MOST_DETECTIONS = 0, -1


@dataclass(frozen=True, slots=True)
class RunValues:
    """One run. precision: [T, 101] mean over categories at ten IoU thresholds and 101 recall levels; ap:
    [T] AP at each threshold; slices: [S] AP per slice; gains: [8] per entry of `track_errors.KINDS`; hota,
    detection, association: [19] HOTA, DetA and AssA at the operating point, per entry of `hota.ALPHAS`. All
    in 0..1, NaN where undefined. matches: what video AP is made of, for any weights of the videos.
    thresholds: of the operating point. seed: of the record.
    """

    precision: np.ndarray
    ap: np.ndarray
    slices: np.ndarray
    gains: np.ndarray
    hota: np.ndarray
    detection: np.ndarray
    association: np.ndarray
    matches: Statistics
    thresholds: tuple[float, ...]
    seed: int = 0


@dataclass(frozen=True, slots=True)
class BlockValues:
    """The runs of a block by the place of their row; rows without predictions are not there.

    notes: which rows are left out, and why.
    """

    slices: VideoSlices
    rows: Mapping[int, tuple[RunValues, ...]]
    notes: tuple[str, ...]


def block_values(
    block: Block, folders: Mapping[int, Path], dataset: Dataset, all_seeds: bool = True
) -> BlockValues:
    """Score the stored predictions of a block's done runs.

    folders: run directories by the `id` of the record. dataset: the block's own, with truth. all_seeds:
    False takes the first seed of each row that has predictions.
    """
    slices = video_slices(dataset)
    rows: dict[int, tuple[RunValues, ...]] = {}
    notes = []
    for place, row in enumerate(bar(block.rows, "scoring for the plots", "row")):
        found = [(record, path) for record in row.done if (path := _path(record, folders)) is not None]
        if not found:
            notes.append(f"{row.label(block.default_config)}: no predictions are stored.")
            continue
        chosen = found if all_seeds else found[:1]
        iou_type: IouType = "bbox" if block.iou_type == "bbox" else "segm"
        rows[place] = tuple(
            replace(
                run_values(dataset, read_results(path, dataset), slices, iou_type, _point(record, dataset)),
                seed=int(record["seed"]),
            )
            for record, path in chosen
        )
    return BlockValues(slices, rows, tuple(notes))


def run_values(
    dataset: Dataset,
    tracks: Sequence[Track],
    slices: VideoSlices,
    iou_type: IouType = "segm",
    at: OperatingPoint | None = None,
) -> RunValues:
    """Everything of one run; errors as `vis_bench.scoring.evaluate.evaluate`.

    at: the operating point of its record; None chooses one, as for predictions that have none.
    """
    statistics = measure(dataset, tracks, ("video_ap", "hota"), iou_type, at=at)
    precision, ap = _curves(statistics)
    if statistics.point_hota is None or statistics.point is None:
        raise ValueError("HOTA is among the metrics, so it has been measured at an operating point")
    by_alpha = hota.curves(statistics.point_hota, np.ones((1, len(dataset.videos))))
    gains = decomposition.reduce(decompose(dataset, tracks, iou_type), np.ones((1, len(dataset.videos))))
    return RunValues(
        precision=precision,
        ap=ap,
        slices=np.asarray(reduce(statistics, slices.weights)["video_ap", "AP"]),
        gains=np.array([gains[kind][0] for kind in KINDS]),
        hota=by_alpha["HOTA"][0],
        detection=by_alpha["DetA"][0],
        association=by_alpha["AssA"][0],
        matches=replace(
            statistics, metrics=("video_ap",), hota={}, point=None, point_mot=None, point_hota=None
        ),
        thresholds=statistics.point.thresholds,
    )


def _point(record: Record, dataset: Dataset) -> OperatingPoint:
    """That of the record; tables read one that has none above a fixed score."""
    return recorded(record, dataset) or placed((float(MOT_THRESHOLD),), "same videos", dataset)


def _curves(statistics: Statistics) -> tuple[np.ndarray, np.ndarray]:
    """Precision [T, 101] and AP [T], means over the categories that have truth."""
    if statistics.video_ap is None:
        raise ValueError("curves need video AP among the metrics")
    precision, _ = video_ap.precision_recall(statistics.video_ap)
    chosen = precision[..., _ALL_AREAS, _MOST_DETECTIONS]
    by_category = np.where(chosen < 0, np.nan, chosen)
    return mean_of_defined(by_category), mean_of_defined(by_category.mean(axis=1))


def seed_mean(runs: Sequence[RunValues], name: str) -> np.ndarray:
    """Mean of one field over the seeds; NaN where it is undefined in any of them."""
    return np.mean([getattr(run, name) for run in runs], axis=0)


def _path(record: Record, folders: Mapping[int, Path]) -> Path | None:
    folder = folders.get(id(record))
    path = None if folder is None else folder / PREDICTIONS_NAME
    return path if path is not None and path.is_file() else None
