"""Comparing files of predictions: fixed checkpoints, so only the choice of videos is uncertain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vis_bench.data.bar import bar
from vis_bench.errors import DataError, UsageError
from vis_bench.records.columns import Column, reads_operating_point, scored_part
from vis_bench.records.operating_point import NO_VERDICT, SAME_VIDEOS, scored_above
from vis_bench.scoring.evaluate import measure
from vis_bench.scoring.files import open_truth, parse_iou_type, read_predictions
from vis_bench.study.comparison import (
    Study,
    compare_all,
    defined_everywhere,
    mean_interval,
    nothing_found,
    resample_videos,
    score_runs,
    span_of,
)

_SUFFIXES = (".json", ".json.gz", ".zip", ".txt", ".xml")


def is_file_of_predictions(name: str) -> bool:
    """Whether a name is a file of a known kind rather than a method or a run directory."""
    return name.endswith(_SUFFIXES) and not name.endswith("record.json") and Path(name).is_file()


def study_of_files(
    names: Sequence[str],
    column: Column,
    truth: str | Path | None,
    dataset: str | None,
    split: str | None,
    margin: float,
    all_pairs: bool,
    iou_type: str,
    jobs: int,
    data_root: str | Path | None,
    say: Callable[[str], object],
) -> Study:
    """The study of files of predictions about one truth. Arguments as `study.compare.study`.

    Raises UsageError for fewer than two different files, DataError for files that cannot be scored.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise UsageError(
            "A comparison needs two or more different files: vis-bench compare A.json B.json ..."
        )
    opened = open_truth(truth, dataset if truth is None else None, split, data_root, say)
    kind, path = parse_iou_type(iou_type), column.path[1:]
    labels = _labels(names)
    statistics = []
    for name in bar(names, "scoring", "file"):
        if not Path(name).exists():
            raise DataError(f"{name}: no such file. With --truth, names are files of predictions.")
        tracks = read_predictions(name, opened, kind, say=say)
        statistics.append(measure(opened, tracks, [scored_part(column)], kind, jobs))
    resamples = resample_videos(statistics[0], path)
    scores = [
        score_runs(label, [one], path, resamples) for label, one in zip(labels, statistics, strict=True)
    ]
    kept = defined_everywhere(scores)
    same_videos = reads_operating_point(column) and any(
        one.point is not None and one.point.source == SAME_VIDEOS for one in statistics
    )
    no_verdict = NO_VERDICT if same_videos else nothing_found(scores, margin)
    return Study(
        metric=column.name,
        dataset=opened.name,
        split=opened.split,
        protocol="none",
        iou_type=kind,
        videos=len(opened.videos),
        seeds=(0,),
        margin=margin,
        resamples_drawn=resamples.drawn,
        resamples_lost=resamples.lost,
        resamples_used=int(kept.sum()),
        class_set_fixed=resamples.class_set_fixed,
        methods=tuple(scores),
        intervals=tuple(mean_interval(one, kept, column) for one in scores),
        comparisons=compare_all(scores, margin, all_pairs, withheld=bool(no_verdict), span=span_of(column)),
        notes=("Files of predictions: fixed checkpoints; how they were trained is not known here.",),
        scored_above=scored_above([column]),
        no_verdict=no_verdict,
    )


def _labels(names: Sequence[str]) -> list[str]:
    """The names of the files without folders, where they tell them apart."""
    short = [Path(name).name for name in names]
    return short if len(set(short)) == len(short) else list(names)
