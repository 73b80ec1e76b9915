"""Embeddings of detections, named by the annotated objects that they show: do they tell instances apart?

From `frames.jsonl.gz`, what an online method saw in every frame before it associated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vis_bench.data.frame_predictions import FRAMES_NAME, read_frames
from vis_bench.method import RawDetections
from vis_bench.metrics.frame_links import MIN_IOU
from vis_bench.metrics.overlap import frame_iou, video_overlap
from vis_bench.metrics.temporal_errors import SCORE_THRESHOLD
from vis_bench.records.rows import Block
from vis_bench.report.videos.choice import choose_videos
from vis_bench.types import Dataset, IouType, Track, TruthTrack, Video

BACKGROUND = -1


@dataclass(frozen=True, slots=True)
class VideoEmbeddings:
    """The N detections of one video. values: [N, D] float64. objects: [N] int64, position of the annotated
    object that a detection shows, -1 for none. frames: [N] int64, index from 0.
    """

    values: np.ndarray
    objects: np.ndarray
    frames: np.ndarray


@dataclass(frozen=True, slots=True)
class RunEmbeddings:
    """One run. videos: by video name, those that are drawn. agreeing, counted: over all videos, as
    `neighbour_agreement`. seed: of the record.
    """

    videos: Mapping[str, VideoEmbeddings]
    agreeing: int
    counted: int
    seed: int = 0


def block_embeddings(block: Block, folders: Mapping[int, Path], dataset: Dataset) -> dict[int, RunEmbeddings]:
    """For each row of a block, by its place, the first seed that has stored frames with embeddings.

    folders: run directories by the `id` of the record. dataset: the block's own, with truth. Raises DataError
    for stored frames that do not fit the dataset.
    """
    iou_type: IouType = "bbox" if block.iou_type == "bbox" else "segm"
    found: dict[int, RunEmbeddings] = {}
    for place, row in enumerate(block.rows):
        stored = [
            (int(record["seed"]), folders[id(record)] / FRAMES_NAME)
            for record in row.done
            if id(record) in folders
        ]
        seed, path = next(((seed, path) for seed, path in stored if path.is_file()), (0, None))
        run = None if path is None else run_embeddings(path, dataset, iou_type)
        if run is not None:
            found[place] = replace(run, seed=seed)
    return found


def run_embeddings(path: Path, dataset: Dataset, iou_type: IouType = "segm") -> RunEmbeddings | None:
    """The embeddings of one file of stored frames; None where they have no width."""
    drawn = {video.id for video in choose_videos(dataset)}
    videos: dict[str, VideoEmbeddings] = {}
    agreeing = counted = width = 0
    for number, frames in read_frames(path, dataset).videos.items():
        video = dataset.video_by_id[number]
        own = video_embeddings(video, dataset.tracks_by_video[number], frames, iou_type)
        width = max(width, own.values.shape[1])
        same, all_ = neighbour_agreement(own)
        agreeing, counted = agreeing + same, counted + all_
        if number in drawn:
            videos[video.name] = own
    return RunEmbeddings(videos, agreeing, counted) if width else None


def video_embeddings(
    video: Video, truth: Sequence[TruthTrack], frames: Sequence[RawDetections], iou_type: IouType = "segm"
) -> VideoEmbeddings:
    """The detections of one video scored above 0.3, each with the object of the highest IoU in its frame.

    An IoU below 0.5 is background; equal IoUs go to the object that comes first. Detections without a mask
    (for `bbox`: of a box without area) are left out.
    """
    width = max((frame.embeddings.shape[1] for frame in frames), default=0)
    kept = [np.flatnonzero(frame.scores > SCORE_THRESHOLD) for frame in frames]
    overlap = video_overlap(video.id, video.length, truth, _as_tracks(video, frames, kept), iou_type)
    values, objects, places = [np.zeros((0, width))], [np.zeros(0, dtype=np.int64)], []
    for t, frame in enumerate(overlap.frames):
        slots = frame.predictions[overlap.area[frame.predictions, t] > 0]
        iou = frame_iou(overlap, t)[:, np.isin(frame.predictions, slots)]
        best = np.full(len(slots), BACKGROUND, dtype=np.int64)
        if len(frame.truths):
            best = np.where(iou.max(axis=0) >= MIN_IOU, frame.truths[iou.argmax(axis=0)], BACKGROUND)
        values.append(frames[t].embeddings[kept[t][slots]])
        objects.append(best)
        places += [t] * len(slots)
    return VideoEmbeddings(np.concatenate(values), np.concatenate(objects), np.array(places, dtype=np.int64))


def _as_tracks(video: Video, frames: Sequence[RawDetections], kept: Sequence[np.ndarray]) -> list[Track]:
    """Track s holds detection s of every frame, so that overlaps are measured as those of tracks."""
    tracks = []
    for slot in range(max(map(len, kept), default=0)):
        numbers = [int(chosen[slot]) if slot < len(chosen) else None for chosen in kept]
        masks = [
            None if n is None else frame.segmentations[n] for n, frame in zip(numbers, frames, strict=True)
        ]
        corners = [None if n is None else frame.boxes[n] for n, frame in zip(numbers, frames, strict=True)]
        boxes = tuple(
            None if c is None else (float(c[0]), float(c[1]), float(c[2] - c[0]), float(c[3] - c[1]))
            for c in corners
        )
        tracks.append(Track(video.id, 0, 1.0, tuple(masks), boxes))
    return tracks


def neighbour_agreement(video: VideoEmbeddings) -> tuple[int, int]:
    """(agreeing, counted): how many detections have their own object as nearest neighbour.

    Only detections that show an object take part. The neighbour of detection i is the detection j of another
    frame with the largest cosine similarity <e_i, e_j> / (|e_i| |e_j|) (0 where one has no length), the first
    among equals. A detection counts where its object is shown in another frame as well; it agrees when its
    neighbour shows the same object. The share agreeing / counted is 1 where a nearest-neighbour rule would
    never mix up two objects.
    """
    shown = video.objects != BACKGROUND
    values, objects, frames = video.values[shown], video.objects[shown], video.frames[shown]
    if not len(values) or not values.shape[1]:
        return 0, 0
    length = np.linalg.norm(values, axis=1, keepdims=True)
    unit = np.divide(values, length, out=np.zeros_like(values), where=length > 0)
    elsewhere = frames[:, None] != frames[None, :]
    counted = (elsewhere & (objects[:, None] == objects[None, :])).any(axis=1)
    nearest = np.where(elsewhere, unit @ unit.T, -np.inf).argmax(axis=1)
    return int((counted & (objects[nearest] == objects)).sum()), int(counted.sum())


def principal_plane(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points [N, 2] on the two principal axes of values [N, D], and the share [2] of the variance on each.

    An axis points to where its largest weight is positive, so that the picture is the same with any library.
    An axis that does not exist (D < 2, or all values equal) is zero, with share 0.
    Source: Pearson, On lines and planes of closest fit, 1901; singular vectors of the centred values.
    """
    points, shares = np.zeros((len(values), 2)), np.zeros(2)
    if not values.size:
        return points, shares
    centred = values - values.mean(axis=0)
    _, lengths, axes = np.linalg.svd(centred, full_matrices=False)
    total = float((lengths**2).sum())
    for k in range(min(2, len(lengths))):
        if total > 0:
            axis = axes[k] * np.sign(axes[k][np.abs(axes[k]).argmax()])
            points[:, k], shares[k] = centred @ axis, lengths[k] ** 2 / total
    return points, shares
