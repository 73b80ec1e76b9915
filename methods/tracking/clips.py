"""Stitching overlapping clips into tracks: a prediction continues the track whose masks it agrees with.

Memory holds the masks of the clips that a later one can still overlap with, and one class vector per track.
Source: IFC public code (specification 4.4); IFR Appendix A.1.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from methods.layers.matching import hungarian

Frame = TypeVar("Frame")


@dataclass(frozen=True, slots=True)
class ClipPrediction:
    """Objects of the frames first..first + T - 1: probabilities [n, C] in 0..1, mask logits [n, T, h, w]."""

    first: int
    probabilities: Tensor
    logits: Tensor

    @property
    def end(self) -> int:
        """Index of the frame after the last."""
        return self.first + self.logits.shape[1]


@dataclass(frozen=True, slots=True)
class Tracks:
    """All tracks so far.

    probabilities: [N, C], sum over the clips in which a track was found; clips: [N] int64, their number.
    recent: clips whose frames may still be covered by a later clip, each with the track [n] int64 of every
    prediction.
    """

    probabilities: Tensor
    clips: Tensor
    recent: tuple[tuple[ClipPrediction, Tensor], ...] = ()

    @property
    def mean_probabilities(self) -> Tensor:
        """Mean over the clips in which each track was found, [N, C]."""
        return self.probabilities / self.clips[:, None]


def no_tracks(classes: int, device: torch.device | str = "cpu") -> Tracks:
    """The tracks before the first clip."""
    return Tracks(torch.zeros((0, classes), device=device), torch.zeros(0, dtype=torch.int64, device=device))


def windows(frames: Iterator[Frame], length: int, stride: int = 1) -> Iterator[tuple[int, tuple[Frame, ...]]]:
    """Overlapping clips of a sequence: (index of the first frame, frames), as soon as the last one is read.

    Clips start `stride` frames apart, 1 <= stride < length, else ValueError. The last clip is moved back so
    that it ends with the sequence and has its full length; a shorter sequence is one clip.
    """
    if not 1 <= stride < length:
        raise ValueError(f"clips of {length} frames, {stride} frames apart, do not overlap")
    held: deque[Frame] = deque(maxlen=length)
    count, covered, due = 0, 0, length
    for frame in frames:
        held.append(frame)
        count += 1
        if count == due:
            yield count - length, tuple(held)
            covered, due = count, due + stride
    if count > covered:
        yield max(0, count - length), tuple(held)


def soft_iou(first: Tensor, second: Tensor) -> Tensor:
    """Soft IoU of all pairs: probabilities [n, ...] and [N, ...] over the same pixels -> [n, N] in 0..1.

    sum(pq) / sum(p + q - pq), pixels of all frames together; 0 where both are empty.
    """
    p, q = first.flatten(1), second.flatten(1)
    intersection = p @ q.t()
    union = p.sum(1)[:, None] + q.sum(1)[None] - intersection
    return torch.where(union > 0, intersection / union.clamp(min=1e-12), torch.zeros_like(union))


def affinities(tracks: Tracks, clip: ClipPrediction) -> Tensor:
    """How well each prediction of `clip` continues each track, [n, N] in 0..1.

    Soft IoU with the masks that an earlier clip gave to the track, on the frames that both clips have; the
    mean over the earlier clips with a common frame in which the track was found, 0 where there is none.
    """
    shape = (len(clip.probabilities), len(tracks.clips))
    total, count = clip.logits.new_zeros(shape), clip.logits.new_zeros(shape)
    for earlier, rows in tracks.recent:
        low, high = max(clip.first, earlier.first), min(clip.end, earlier.end)
        if low >= high:
            continue
        own = clip.logits[:, low - clip.first : high - clip.first].sigmoid()
        saved = earlier.logits[:, low - earlier.first : high - earlier.first].sigmoid()
        total[:, rows] += soft_iou(own, saved)
        count[:, rows] += 1
    return total / count.clamp(min=1)


def add_clip(tracks: Tracks, clip: ClipPrediction, match_above: float = 0.05) -> Tracks:
    """The tracks after one more clip; clips come in the order of their first frames.

    One-to-one assignment with the largest sum of affinities above `match_above`; a prediction without a
    track becomes a new one.
    """
    affinity = affinities(tracks, clip)
    value = torch.where(affinity > match_above, affinity, torch.zeros_like(affinity))
    picked, columns = hungarian(-value)
    accepted = value[picked, columns] > 0
    rows = torch.full((len(value),), -1, dtype=torch.int64, device=value.device)
    rows[picked[accepted]] = columns[accepted]
    new = rows < 0
    known, fresh = len(tracks.clips), int(new.sum())
    rows[new] = torch.arange(known, known + fresh, device=rows.device)
    empty = tracks.probabilities.new_zeros((fresh, tracks.probabilities.shape[1]))
    probabilities = torch.cat((tracks.probabilities, empty))
    clips = torch.cat((tracks.clips, tracks.clips.new_zeros(fresh)))
    # a later clip starts no earlier than this one
    recent = tuple(entry for entry in tracks.recent if entry[0].end > clip.first)
    return Tracks(
        probabilities.index_add(0, rows, clip.probabilities),
        clips.index_add(0, rows, torch.ones_like(rows)),
        (*recent, (clip, rows)),
    )


def frame_logits(tracks: Tracks, frame: int) -> tuple[list[int], Tensor]:
    """Masks of one frame, of the tracks that some recent clip found in it.

    Returns (tracks, logits [k, h, w]): the mean of the mask logits over the clips that cover the frame and
    in which the track was found. Raises ValueError when no recent clip covers the frame.
    """
    covering = [(clip, rows) for clip, rows in tracks.recent if clip.first <= frame < clip.end]
    if not covering:
        raise ValueError(f"no clip that is still held covers frame {frame}")
    found = sorted({row for _, rows in covering for row in rows.tolist()})
    place = torch.full((len(tracks.clips),), -1, dtype=torch.int64, device=tracks.clips.device)
    place[found] = torch.arange(len(found), device=place.device)
    total = covering[0][0].logits.new_zeros((len(found), *covering[0][0].logits.shape[2:]))
    count = total.new_zeros(len(found))
    for clip, rows in covering:
        total = total.index_add(0, place[rows], clip.logits[:, frame - clip.first])
        count = count.index_add(0, place[rows], torch.ones_like(place[rows], dtype=count.dtype))
    return found, total / count[:, None, None]
