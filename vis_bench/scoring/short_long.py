"""YouTube-VIS 2022: short videos (the score of 2021) and long videos apart, and the mean of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vis_bench.errors import DataError, UsageError
from vis_bench.files import read_json
from vis_bench.scoring.files import Evaluation, Predictions, Truth, evaluation, nowhere, open_truth

PARTS = ("short", "long")


def evaluate_short_long(
    predictions: Predictions,
    truth: Truth,
    truth_long: Truth,
    predictions_long: Predictions | None = None,
    *,
    format: str | None = None,
    say: Callable[[str], object] = nowhere,
    **options: Any,
) -> dict[str, Evaluation]:
    """Both parts by name. predictions: of the short videos, or of all where predictions_long is None.

    One results file for all is divided by the ids of the videos; of other formats each part needs its own.
    options, format, say: as `scoring.files.evaluation`. Raises DataError where an id is in both truths or in
    none, UsageError where one file of a given format stands for both.
    """
    if format is not None and predictions_long is None:
        raise UsageError(
            f"--format {format} with --truth-long: only a results file is divided between short and long "
            "videos. Give the predictions of the long ones as --predictions-long."
        )
    truths = [open_truth(one, None, None, None, say) for one in (truth, truth_long)]
    parts: Sequence[Predictions] = (predictions, predictions_long or [])
    if predictions_long is None:
        parts = _divided(predictions, [set(one.video_by_id) for one in truths])
    return {
        name: evaluation(part, one, format=format, say=say, **options)
        for name, part, one in zip(PARTS, parts, truths, strict=True)
    }


def mean_of_parts(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The headline: mean of the two numbers of every name of `video_ap`, None where one is undefined.

    Source: YouTube-VIS 2022 challenge, (mAP of short videos + mAP of long videos) / 2.
    """
    short, long = (parts[name]["video_ap"] for name in PARTS)
    means = {
        name: None if value is None or long[name] is None else (value + long[name]) / 2
        for name, value in short.items()
    }
    return {"video_ap": means}


def _divided(predictions: Predictions, ids: Sequence[set[int]]) -> tuple[list[Any], list[Any]]:
    shared = ids[0] & ids[1]
    if shared:
        raise DataError(
            f"{len(shared)} video ids (such as {min(shared)}) are in the truth of both the short and the "
            "long videos, so one results file cannot be divided. Give the results of the long videos as "
            "--predictions-long."
        )
    where, content = "predictions", predictions
    if isinstance(predictions, str | Path):
        where, content = str(predictions), read_json(Path(predictions))
    if not isinstance(content, list):
        raise DataError(f"{where}: results must be a JSON list of tracks, found {type(content).__name__}.")
    result: tuple[list[Any], list[Any]] = ([], [])
    for position, entry in enumerate(content):
        video = entry.get("video_id") if isinstance(entry, Mapping) else None
        if not isinstance(video, int) or video not in ids[0] | ids[1]:
            raise DataError(f"{where}, entry {position}: video {video!r} is in neither of the two truths.")
        result[int(video in ids[1])].append(entry)
    return result
