"""Tracking: frames are handed over one at a time, and how far ahead a method reads is counted."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vis_bench.data.frames import load_video_frame
from vis_bench.data.predictions import any_mask, parse_results, result_record, write_results
from vis_bench.engine.finite_outputs import require_finite_scores, requiring_numbers
from vis_bench.engine.foreign import tell
from vis_bench.engine.frame_store import FrameStore
from vis_bench.engine.process.kept_lines import require_entry, resume_lines
from vis_bench.engine.process.progress import Progress
from vis_bench.engine.results_spool import ResultsSpool, SpooledResults
from vis_bench.errors import MethodError
from vis_bench.files import append_text
from vis_bench.masks.boxes import is_usable
from vis_bench.method import FrameResult, VideoInstance
from vis_bench.setup.seeds import axis_seed
from vis_bench.types import Dataset, IouType, Track, Video

PARTIAL_NAME = "predictions.partial.jsonl"


class FrameFeed(Iterator[torch.Tensor]):
    """Frames of one video as uint8 [3, H, W] RGB tensors; `handed` counts how many were taken.

    pictures: [H, W, 3] uint8 in their order, None to read the frames of the dataset.
    """

    def __init__(
        self, dataset: Dataset, video: Video, device: str, pictures: Iterator[np.ndarray] | None = None
    ) -> None:
        self._dataset, self._video, self._device, self._pictures = dataset, video, device, pictures
        self.handed = 0

    def __next__(self) -> torch.Tensor:
        if self.handed == self._video.length:
            raise StopIteration
        if self._pictures is None:
            image = load_video_frame(self._dataset, self._video, self.handed)
        else:
            image = next(self._pictures)
        self.handed += 1
        return uploaded(torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))), self._device)


def uploaded(frame: torch.Tensor, device: str) -> torch.Tensor:
    """A tensor of ordinary memory on `device` (of the CPU: itself); nobody waits for the copy.

    It goes through page-locked memory, from which a GPU copies by itself, in order with the rest of its work.
    """
    if device == "cpu":
        return frame
    return frame.pin_memory().to(device, non_blocking=True)


@dataclass(frozen=True, slots=True)
class VideoOutcome:
    """Tracks of one video, look-ahead in frames, wall-clock seconds including frame decoding.

    results: what an online method put out frame by frame, with candidates if they were to be kept; None for
    a method that returns whole tracks, once the video is on disk, and where they were spooled.
    """

    tracks: tuple[Track, ...]
    look_ahead_frames: int
    seconds: float
    results: tuple[FrameResult, ...] | None = None


@torch.inference_mode()
def track_video(
    method: Any,
    dataset: Dataset,
    video: Video,
    device: str,
    iou_type: IouType = "segm",
    keep_candidates: bool = False,
    pictures: Iterator[np.ndarray] | None = None,
    spool: ResultsSpool | None = None,
) -> VideoOutcome:
    """Run one method over one video. iou_type: what the method says that it predicts.

    keep_candidates: results hold what was detected before association. Otherwise it is dropped frame by
    frame, since its embeddings would grow with the length of the video. pictures: as in `FrameFeed`.
    spool: takes the frame results, without candidates, so that memory does not grow with them; the masks of
    the tracks are then read from it.

    Raises MethodError when the method breaks its contract (frames left out or out of order, tracks of the
    wrong length, unknown labels, masks from a method of boxes, scores that are not finite).
    """
    feed = FrameFeed(dataset, video, device, pictures)
    begin = time.perf_counter()
    output = method.track(video, feed)
    results: list[FrameResult] | SpooledResults | None = None
    if isinstance(output, list):
        instances, look_ahead = output, max(0, feed.handed - 1)
    else:
        results = [] if spool is None else spool.results()
        look_ahead = _drain(output, feed, video, keep_candidates, results)
        instances = method.summarise(video, results)
    tracks = tuple(_to_track(instance, dataset, video, iou_type) for instance in instances)
    seconds = time.perf_counter() - begin
    return VideoOutcome(tracks, look_ahead, seconds, tuple(results) if isinstance(results, list) else None)


def _drain(
    output: Iterator[FrameResult],
    feed: FrameFeed,
    video: Video,
    keep_candidates: bool,
    results: list[FrameResult] | SpooledResults,
) -> int:
    """Fill `results`; the largest look-ahead in frames."""
    look_ahead = 0
    for result in output:
        if result.index != len(results):
            raise MethodError(
                f"video {video.name}: result of frame {result.index} came when frame {len(results)} was due"
            )
        require_finite_scores(result, video.name)
        look_ahead = max(look_ahead, feed.handed - (result.index + 1))
        results.append(_with_candidates(result, keep_candidates))
    if len(results) != video.length:
        raise MethodError(f"video {video.name}: {len(results)} frame results for {video.length} frames")
    return look_ahead


def _with_candidates(result: FrameResult, keep: bool) -> FrameResult:
    """Without the detections before association, or with all of their masks drawn: neither holds a frame."""
    if result.candidates is None:
        return result
    if not keep:
        return replace(result, candidates=None)
    masks = tuple(result.candidates.segmentations)
    return replace(result, candidates=replace(result.candidates, segmentations=masks))


def _to_track(instance: VideoInstance, dataset: Dataset, video: Video, iou_type: IouType) -> Track:
    if not 0 <= instance.label < len(dataset.categories):
        raise MethodError(
            f"video {video.name}: label {instance.label} of {len(dataset.categories)} classes (0-based)"
        )
    if not math.isfinite(instance.score):
        raise MethodError(f"video {video.name}: a track with score {instance.score}; scores must be finite")
    if instance.boxes is not None and len(instance.boxes) != video.length:
        raise MethodError(f"video {video.name}: {len(instance.boxes)} boxes for {video.length} frames")
    for box in instance.boxes or ():
        if box is not None and not is_usable(box):
            raise MethodError(
                f"video {video.name}: a box {box}; boxes are (x, y, width, height), finite, no side below 0"
            )
    if iou_type == "bbox" and (instance.boxes is None or any_mask(instance.segmentations)):
        raise MethodError(
            f"video {video.name}: the method says iou_type 'bbox', but a track has "
            f"{'no boxes' if instance.boxes is None else 'masks'}; such tracks hold boxes and no masks"
        )
    size = [video.height, video.width]
    for segmentation in instance.segmentations:
        if segmentation is not None and list(segmentation["size"]) != size:
            raise MethodError(f"video {video.name}: a mask of size {segmentation['size']}, frames are {size}")
    if len(instance.segmentations) != video.length:
        raise MethodError(
            f"video {video.name}: a track of {len(instance.segmentations)} frames for {video.length} frames"
        )
    return Track(
        video_id=video.id,
        category_id=dataset.categories[instance.label].id,
        score=float(instance.score),
        segmentations=instance.segmentations,
        boxes=instance.boxes,
    )


def track_dataset(
    method: Any,
    dataset: Dataset,
    device: str,
    directory: Path,
    predictions: Path,
    progress: Progress,
    seed: int,
    iou_type: IouType,
    keep_frames: bool = False,
) -> tuple[list[Track], int, float]:
    """Track every video; finished videos are kept on disk at once, so a killed run goes on from there.

    keep_frames: write the detections of every frame too, into `directory`, unless the method returns whole
    tracks. Returns (tracks, largest look-ahead in frames, seconds), and writes `predictions`. Raises
    MethodError as `track_video`, when a method of masks returned boxes and not one mask, and when frame
    detections to be kept have arrays that do not fit together.
    """
    method.eval()
    tell(method, dataset)
    partial = directory / PARTIAL_NAME
    finished = _read_partial(partial, dataset)
    store = FrameStore(directory, dataset, iou_type) if keep_frames else None
    if store is not None:
        finished = {video: outcome for video, outcome in finished.items() if video in store.finished}
    for done, video in enumerate(dataset.videos):
        if video.id not in finished:
            # a method that draws random numbers gives the same result wherever a killed run goes on
            torch.manual_seed(axis_seed(seed, "augmentation", video.id))
            with requiring_numbers(method, video.name):
                outcome = track_video(method, dataset, video, device, iou_type, keep_candidates=keep_frames)
            if store is not None:
                # before the tracks, so that a video with tracks on disk has its frames there too
                store.append(video, outcome.results)
            finished[video.id] = replace(outcome, results=None)
            _append_partial(partial, video, outcome)
        progress("track", done + 1, len(dataset.videos))
    outcomes = [finished[video.id] for video in dataset.videos]
    tracks = [track for outcome in outcomes for track in outcome.tracks]
    if iou_type == "segm" and tracks and all(t.boxes and not any_mask(t.segmentations) for t in tracks):
        raise MethodError("the method says iou_type 'segm', but its tracks hold boxes and not one mask")
    write_results(predictions, tracks)
    if store is not None:
        store.finish()
    partial.unlink(missing_ok=True)
    look_ahead = max((outcome.look_ahead_frames for outcome in outcomes), default=0)
    return tracks, look_ahead, sum(outcome.seconds for outcome in outcomes)


def _append_partial(path: Path, video: Video, outcome: VideoOutcome) -> None:
    entry = {
        "video_id": video.id,
        "look_ahead_frames": outcome.look_ahead_frames,
        "seconds": outcome.seconds,
        "tracks": [result_record(track) for track in outcome.tracks],
    }
    append_text(path, json.dumps(entry, allow_nan=False) + "\n")


def _read_partial(path: Path, dataset: Dataset) -> dict[int, VideoOutcome]:
    """Videos that an interrupted run finished; a half-written last line is cut off and tracked again."""
    finished: dict[int, VideoOutcome] = {}
    for _, entry in resume_lines(path):
        entry = require_entry(path, entry, ("video_id", "look_ahead_frames", "seconds", "tracks"))
        tracks = parse_results(entry["tracks"], dataset, str(path))
        finished[entry["video_id"]] = VideoOutcome(
            tuple(tracks), entry["look_ahead_frames"], entry["seconds"]
        )
    return finished
