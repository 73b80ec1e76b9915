"""Our metrics inside a detectron2 script: a DatasetEvaluator for models of whole videos."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vis_bench.data.predictions import write_results
from vis_bench.errors import DataError, MethodError
from vis_bench.integrations.detectron2.catalog import open_registered
from vis_bench.integrations.detectron2.install import make_importable
from vis_bench.integrations.detectron2.model import tracks_of
from vis_bench.records.columns import Column, choose_columns, parse_columns
from vis_bench.scoring.evaluate import evaluate
from vis_bench.types import Dataset, Track

TASK = "segm"

try:
    make_importable()
    from detectron2.evaluation import DatasetEvaluator
except MethodError:
    # the module can be imported all the same; making an evaluator says what is missing
    DatasetEvaluator = object


class VisEvaluator(DatasetEvaluator):
    """Collects tracks and returns `{"segm": {"AP": ..., "HOTA": ..., ...}}`.

    dataset: a name that `register` gave, or a Dataset of ours with public truth. columns: names of numbers
    as `vis-bench report --columns` takes them, None for the usual ones. output_dir: `results.json` is written
    there, which every command reads. Fractions are times 100, counts as they are, NaN where a number is
    undefined. Of several processes, the main one scores what all have seen, the others return {}.
    """

    def __init__(
        self, dataset: str | Dataset, *, columns: str | None = None, output_dir: str | Path | None = None
    ) -> None:
        make_importable()
        self._dataset = open_registered(dataset) if isinstance(dataset, str) else dataset
        self._columns = choose_columns(parse_columns(columns))
        self._output_dir = None if output_dir is None else Path(output_dir)
        self._tracks: list[Track] = []

    def reset(self) -> None:
        """Forget what was collected."""
        self._tracks = []

    def process(
        self, inputs: Sequence[Mapping[str, Any]], outputs: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    ) -> None:
        """Take the tracks of videos; masks are encoded at once.

        inputs: dictionaries with `video_id`. outputs: one dictionary for the one input, or one for each.
        Raises DataError for a video that the data set does not have, MethodError for an output without masks.
        """
        several = [outputs] if isinstance(outputs, Mapping) else outputs
        for given, output in zip(inputs, several, strict=True):
            video = self._dataset.video_by_id.get(given["video_id"])
            if video is None:
                raise DataError(f"video_id {given['video_id']} is none of {self._dataset.name}.")
            for instance in tracks_of(output):
                category = self._dataset.categories[instance.label]
                self._tracks.append(Track(video.id, category.id, instance.score, instance.segmentations))

    def evaluate(self) -> dict[str, Any]:
        """The numbers over all videos of the data set, seen or not."""
        from detectron2.utils import comm

        comm.synchronize()
        gathered = comm.gather(self._tracks, dst=0)
        if not comm.is_main_process():
            return {}
        tracks = [track for part in gathered for track in part]
        if self._output_dir is not None:
            write_results(self._output_dir / "results.json", tracks)
        metrics = evaluate(self._dataset, tracks)
        numbers = {column.name: _number(metrics, column) for column in self._columns}
        return OrderedDict({TASK: {name: value for name, value in numbers.items() if value is not None}})


def _number(metrics: Mapping[str, Any], column: Column) -> float | None:
    """A number of a column in percent or as a count, NaN where it is undefined; None for one of a run."""
    if column.path[0] != "metrics":
        return None
    value: Any = metrics
    for key in column.path[1:]:
        value = value[key]
    if value is None:
        return math.nan
    return 100 * float(value) if column.unit == "fraction" else float(value)
