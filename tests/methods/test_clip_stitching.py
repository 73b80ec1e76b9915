"""Stitching clips by soft IoU, against loops and small videos worked out by hand."""

from __future__ import annotations

import pytest
import torch
from closeness import assert_close_to_largest, in_float64
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from methods.tracking.clips import (
    ClipPrediction,
    Tracks,
    add_clip,
    affinities,
    frame_logits,
    no_tracks,
    soft_iou,
    windows,
)


@settings(max_examples=20, deadline=None)
@given(first=st.integers(0, 3), second=st.integers(0, 3), seed=st.integers(0, 99))
def test_soft_iou_against_a_loop(first: int, second: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    p = torch.rand(first, 2, 3, 4, generator=generator, dtype=torch.float64)
    q = torch.rand(second, 2, 3, 4, generator=generator, dtype=torch.float64)
    result = soft_iou(p, q)
    assert result.shape == (first, second)
    for i in range(first):
        for j in range(second):
            both = union = 0.0
            for a, b in zip(p[i].flatten().tolist(), q[j].flatten().tolist(), strict=True):
                both += a * b
                union += a + b - a * b
            assert result[i, j].item() == pytest.approx(both / union)


def test_soft_iou_of_empty_masks_is_zero() -> None:
    assert soft_iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


@pytest.mark.parametrize(
    ("count", "length", "stride", "wanted"),
    [
        (4, 2, 1, [(0, "ab"), (1, "bc"), (2, "cd")]),
        (6, 4, 2, [(0, "abcd"), (2, "cdef")]),
        (5, 4, 2, [(0, "abcd"), (1, "bcde")]),  # IFC moves the last clip back to its full length
        (6, 4, 3, [(0, "abcd"), (2, "cdef")]),
        (3, 5, 1, [(0, "abc")]),  # a short video is one clip
        (5, 5, 1, [(0, "abcde")]),
        (0, 2, 1, []),
    ],
)
def test_windows(count, length, stride, wanted) -> None:
    clips = [(first, "".join(frames)) for first, frames in windows(iter("abcdef"[:count]), length, stride)]
    assert clips == wanted


def test_a_clip_comes_before_the_frame_after_it_is_read() -> None:
    read = []
    frames = (read.append(i) or i for i in range(10))
    clips = windows(frames, 3, 1)
    assert next(clips)[1] == (0, 1, 2)
    assert read == [0, 1, 2]
    assert next(clips)[1] == (1, 2, 3)
    assert read == [0, 1, 2, 3]


def test_windows_that_do_not_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="do not overlap"):
        next(windows(iter("abc"), 2, 2))


def _column_masks(columns: list[list[int]], sure: float = 8.0) -> Tensor:
    """Logits [n, T, 2, 6]: object i covers column columns[i][t] in frame t; -1 is nowhere."""
    logits = torch.full((len(columns), len(columns[0]), 2, 6), -sure)
    for i, places in enumerate(columns):
        for t, column in enumerate(places):
            if column >= 0:
                logits[i, t, :, column] = sure
    return logits


def _clip(first: int, columns: list[list[int]], probabilities: list[list[float]]) -> ClipPrediction:
    return ClipPrediction(first, torch.tensor(probabilities), _column_masks(columns))


def test_tracks_follow_masks_through_any_order_of_slots() -> None:
    # two objects walk towards each other and pass; slots change places in the second clip
    tracks = no_tracks(2)
    tracks = add_clip(tracks, _clip(0, [[0, 1, 2], [5, 4, 3]], [[0.9, 0.1], [0.2, 0.8]]))
    tracks = add_clip(tracks, _clip(1, [[4, 3, 2], [1, 2, 3]], [[0.4, 0.6], [0.7, 0.3]]))
    assert tracks.clips.tolist() == [2, 2]
    torch.testing.assert_close(tracks.mean_probabilities, torch.tensor([[0.8, 0.2], [0.3, 0.7]]))
    found, logits = frame_logits(tracks, 2)
    assert found == [0, 1]
    assert [mask[0].argmax().item() for mask in logits] == [2, 3]
    found, logits = frame_logits(tracks, 3)
    assert [mask[0].argmax().item() for mask in logits] == [3, 2]


def test_an_object_without_a_track_starts_one_and_a_missing_object_keeps_its_own() -> None:
    tracks = add_clip(no_tracks(1), _clip(0, [[0, 0], [3, 3]], [[0.9], [0.5]]))
    tracks = add_clip(tracks, _clip(1, [[5, 5], [0, 0]], [[0.4], [0.7]]))
    assert tracks.clips.tolist() == [2, 1, 1]
    torch.testing.assert_close(tracks.mean_probabilities, torch.tensor([[0.8], [0.5], [0.4]]))
    assert frame_logits(tracks, 2)[0] == [0, 2]  # track 1 has no mask in frame 2
    assert frame_logits(tracks, 1)[0] == [0, 1, 2]


@in_float64()
def test_affinity_uses_common_frames_and_averages_over_clips() -> None:
    first = _clip(0, [[0, 0, 1]], [[1.0]])
    second = ClipPrediction(1, torch.ones(1, 1), torch.randn(1, 3, 2, 6))
    third = ClipPrediction(2, torch.ones(2, 1), torch.randn(2, 3, 2, 6))
    tracks = Tracks(
        torch.ones(1, 1),
        torch.ones(1, dtype=torch.int64),
        ((first, torch.tensor([0])), (second, torch.tensor([0]))),
    )
    wanted = torch.zeros(2, 1)
    for i in range(2):
        # frame 2 is common with the first clip, frames 2 and 3 with the second
        p, q = third.logits[i : i + 1, :1].sigmoid(), first.logits[:, 2:].sigmoid()
        one = (p * q).sum() / (p + q - p * q).sum()
        p, q = third.logits[i : i + 1, :2].sigmoid(), second.logits[:, 1:].sigmoid()
        two = (p * q).sum() / (p + q - p * q).sum()
        wanted[i, 0] = (one + two) / 2
    assert_close_to_largest(affinities(tracks, third), wanted, terms=100)


def test_affinity_skips_clips_in_which_the_track_was_not_found() -> None:
    tracks = add_clip(no_tracks(1), _clip(0, [[0, 0, 0]], [[1.0]]))
    tracks = add_clip(tracks, _clip(1, [[4, 4, 4]], [[1.0]]))  # another object
    affinity = affinities(tracks, _clip(2, [[0, 0, 0]], [[1.0]]))
    assert affinity[0, 0].item() == pytest.approx(1.0, abs=0.05)  # not halved by the clip without track 0
    assert affinity[0, 1].item() < 0.05


def test_a_weak_overlap_starts_a_new_track() -> None:
    clip = _clip(0, [[0, 0]], [[1.0]])
    other = ClipPrediction(1, torch.ones(1, 1), _column_masks([[0, 0]]))
    other.logits[:, :, 0] = -8.0  # one of two rows agrees: IoU 0.5
    known = add_clip(no_tracks(1), clip)
    assert len(add_clip(known, other, match_above=0.45).clips) == 1
    assert len(add_clip(known, other, match_above=0.55).clips) == 2


def test_each_track_continues_in_one_prediction_at_most() -> None:
    known = add_clip(no_tracks(1), _clip(0, [[0, 0]], [[1.0]]))
    twice = add_clip(known, _clip(1, [[0, 0], [0, 0]], [[0.9], [0.8]]))
    assert twice.clips.tolist() == [2, 1]


def test_the_assignment_is_global() -> None:
    # prediction 0 likes track 0 best; but the sum is larger when it takes track 1
    known = add_clip(no_tracks(1), _clip(0, [[0, 0], [1, 1]], [[1.0], [1.0]]))
    logits = torch.full((2, 2, 2, 6), -8.0)
    logits[0, :, :, :2] = 8.0  # both columns: IoU 0.5 with each track
    logits[0, :, 0, 1] = -8.0  # a little more of track 0: 2 / 3 against 1 / 4
    logits[1, :, :, 0] = 8.0  # track 0 exactly
    result = add_clip(known, ClipPrediction(1, torch.ones(2, 1), logits))
    (_, rows) = result.recent[-1]
    assert rows.tolist() == [1, 0]


def test_masks_are_the_mean_of_logits_over_the_clips_that_cover_a_frame() -> None:
    first, second = _clip(0, [[2, 2]], [[1.0]]), _clip(1, [[2, 2]], [[1.0]])
    second.logits.mul_(0.25)
    tracks = add_clip(add_clip(no_tracks(1), first), second)
    _, logits = frame_logits(tracks, 1)
    torch.testing.assert_close(logits[0], (first.logits[0, 1] + second.logits[0, 0]) / 2)
    _, logits = frame_logits(tracks, 2)
    torch.testing.assert_close(logits[0], second.logits[0, 1])


def test_only_clips_that_can_still_overlap_are_held() -> None:
    tracks = no_tracks(1)
    for first in range(30):
        tracks = add_clip(tracks, _clip(first, [[0, 0, 0]], [[1.0]]))
        assert len(tracks.recent) <= 3
    assert len(tracks.clips) == 1
    with pytest.raises(ValueError, match="covers frame 5"):
        frame_logits(tracks, 5)


def test_clips_without_objects() -> None:
    empty = ClipPrediction(0, torch.zeros(0, 2), torch.zeros(0, 2, 2, 6))
    tracks = add_clip(no_tracks(2), empty)
    found, logits = frame_logits(tracks, 1)
    assert found == []
    assert logits.shape == (0, 2, 6)
    tracks = add_clip(tracks, _clip(1, [[0, 0]], [[0.5, 0.5]]))
    tracks = add_clip(tracks, ClipPrediction(2, torch.zeros(0, 2), torch.zeros(0, 2, 2, 6)))
    assert tracks.clips.tolist() == [1]
