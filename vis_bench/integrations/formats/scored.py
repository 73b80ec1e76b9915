"""Files of any format as what is scored: truth as a data set, predictions as tracks on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vis_bench.data.predictions import any_mask, parse_results
from vis_bench.data.ytvis import parse_dataset
from vis_bench.errors import DataError, UsageError
from vis_bench.integrations.formats.content import Content, as_dataset, as_tracks
from vis_bench.integrations.formats.opened import YTVIS, Found, find
from vis_bench.types import Dataset, IouType, Track


def _nowhere(text: str) -> None:
    """Say nothing."""


def open_truth_file(path: Path, say: Callable[[str], object] = _nowhere) -> Dataset:
    """The truth in a file or folder of any format, called after the file, split `truth`; without frames.

    say: is told which format it is, unless it is YouTube-VIS, and what could not be read. Raises DataError.
    """
    found = find(path)
    if found.format.name in YTVIS:
        # a list is refused there, with the words for it
        return parse_dataset(found.payload, str(path), None, path.name, "truth", found.text_hash)
    content = found.content()
    _tell(found, content, say)
    return as_dataset(content, path.name, "truth", found.text_hash)


def read_predictions_file(
    path: Path,
    dataset: Dataset,
    ignore_unknown_categories: bool = False,
    iou_type: IouType | None = None,
    named: str | None = None,
    say: Callable[[str], object] = _nowhere,
) -> list[Track]:
    """The predictions in a file or folder of any format, on the videos and classes of a data set.

    named: the format, None to recognise it. say: as in `open_truth_file`. Raises DataError as
    `data.predictions.parse_results`, UsageError for an unknown format.
    """
    found = find(path, named)
    if found.format.name in YTVIS:
        return parse_results(found.payload, dataset, str(path), ignore_unknown_categories, iou_type)
    if ignore_unknown_categories:
        raise UsageError(
            "--ignore-unknown-categories is for YouTube-VIS results; in other formats a class that the truth "
            "does not have is an error. Convert the file first: vis-bench data convert."
        )
    content = found.content(dataset)
    _tell(found, content, say)
    tracks = as_tracks(content)
    if tracks and not content.has_scores:
        say(
            f"{path}: holds no scores, so every track has score 1: AP ranks nothing, and tracking metrics "
            "say what there is to say"
        )
    if iou_type == "segm" and tracks and not any(any_mask(track.segmentations) for track in tracks):
        raise DataError(
            f"{path}: holds boxes and not one mask. Score the boxes: vis-bench eval --iou-type bbox."
        )
    if iou_type == "bbox" and any(track.boxes is None for track in tracks):
        raise DataError(f"{path}: holds masks. Score them: vis-bench eval --iou-type segm.")
    return tracks


def _tell(found: Found, content: Content, say: Callable[[str], object]) -> None:
    say(f"{found.path}: read as {found.format.title} (format {found.format.name})")
    for note in content.notes:
        say(f"{found.path}: {note}")
