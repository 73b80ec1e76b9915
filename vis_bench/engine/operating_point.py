"""The score threshold of a run, chosen on other videos with the same weights."""

from __future__ import annotations

from typing import Any

from vis_bench.data.predictions import read_results
from vis_bench.engine.opened_data import OpenedData
from vis_bench.engine.plan import RunSpec
from vis_bench.engine.process.lock import locked
from vis_bench.engine.process.progress import Progress
from vis_bench.engine.track import track_dataset
from vis_bench.files import remove_temporaries
from vis_bench.records.run import PREDICTIONS_NAME
from vis_bench.scoring.operating_point import OperatingPoint, best_on, placed
from vis_bench.types import IouType

STAGE = "operating point"


def chosen_on_tuning(
    run: RunSpec, data: OpenedData, model: Any, iou_type: IouType, progress: Progress
) -> OperatingPoint | None:
    """Track the videos that the protocol keeps for the choice, and choose; None where it keeps none.

    The predictions stay beside the weights, so that the same weights on another data set are not tracked
    again.
    """
    tuning = data.tuning
    if tuning is None:
        return None
    device = run.settings.device.partition(":")[0]
    folder = run.train_dir / f"{tuning.split}-{tuning.annotation_hash[:8]}-first{len(tuning.videos)}-{device}"
    predictions = folder / PREDICTIONS_NAME
    with locked(folder, wait=True):
        if not predictions.exists():
            remove_temporaries(folder)
            track_dataset(
                model,
                tuning,
                run.settings.device,
                folder,
                predictions,
                lambda _, done, total: progress(STAGE, done, total),
                run.seed,
                iou_type,
            )
    tracks = read_results(predictions, tuning, iou_type=iou_type)
    return placed((best_on(tuning, tracks, iou_type),), "val", data.evaluated)
