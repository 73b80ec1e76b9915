"""Pictures of tracks: layout, colours at known pixels, and colours that follow identity."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vis_bench.errors import DataError, UsageError
from vis_bench.masks import rle
from vis_bench.report.drawing.palette import BACKGROUND, identity_colour
from vis_bench.report.videos.identity_colours import closest_truth
from vis_bench.report.videos.pictures import (
    GAP_PX,
    TEXT_LINE_PX,
    Region,
    choose_videos,
    draw_tile,
    frame_indices,
    method_picture,
    tile_size,
)
from vis_bench.types import Box, Category, Dataset, Rle, Track, TruthTrack, Video

WIDTH, HEIGHT, LENGTH = 160, 96, 4
A, B, EMPTY_PLACE = (8, 20), (100, 20), (60, 60)  # (x, y) of 32 x 24 pixel rectangles
VIDEO = Video(1, "v1", WIDTH, HEIGHT, tuple(f"v1/{index:05d}.png" for index in range(LENGTH)))


def _rectangle(corner: tuple[int, int]) -> Rle:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[corner[1] : corner[1] + 24, corner[0] : corner[0] + 32] = True
    return rle.encode(mask)


def _boxes(corner: tuple[int, int]) -> tuple[Box, ...]:
    return ((float(corner[0]), float(corner[1]), 32.0, 24.0),) * LENGTH


def _truth(number: int, corner: tuple[int, int], video_id: int = 1) -> TruthTrack:
    masks = (_rectangle(corner),) * LENGTH
    return TruthTrack(number, video_id, 1, False, masks, _boxes(corner), (768.0,) * LENGTH)


def _track(*corners: tuple[int, int] | None, score: float = 0.9) -> Track:
    return Track(1, 1, score, tuple(None if corner is None else _rectangle(corner) for corner in corners))


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """Black frames with two objects that stand still."""
    for name in VIDEO.file_names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT)).save(path)
    truth = (_truth(1, A), _truth(2, B))
    return Dataset("hand-made", "val", (VIDEO,), (Category(1, "thing"),), truth, tmp_path, "a", "s")


def test_a_track_gets_the_object_that_it_overlaps_most() -> None:
    truth = [_truth(1, A), _truth(2, B)]
    tracks = [
        _track(B, B, B, B),
        _track(A, A, A, B),  # switched: 3 of 4 frames on A
        _track(A, B, B, B),
        _track(*[EMPTY_PLACE] * 4),
        _track(A, None, None, None),  # a fragment belongs to its object
        _track(A, *[EMPTY_PLACE] * 3),  # a quarter of its pixels on an object: background
    ]
    assert closest_truth(tracks, truth, VIDEO) == (1, 0, 1, None, 0, None)
    assert closest_truth(tracks[:1], [], VIDEO) == (None,)


def test_tracks_with_boxes_only_are_compared_by_boxes() -> None:
    track = Track(1, 1, 0.9, (None,) * LENGTH, _boxes(B))
    assert closest_truth([track], [_truth(1, A), _truth(2, B)], VIDEO, "bbox") == (1,)
    assert closest_truth([track], [_truth(1, A), _truth(2, B)], VIDEO) == (None,)


def test_tile_has_tinted_inside_and_full_colour_outline() -> None:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[20:44, 8:40] = True
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8) + np.uint8([90, 120, 24])
    pixels = np.asarray(draw_tile(frame, [Region(mask, (200, 0, 40), 1)]))
    assert pixels.shape == (192, 320, 3)  # 160 x 96 enlarged twice
    assert tuple(pixels[40, 16]) == (200, 0, 40)  # first pixel of the enlarged rectangle: outline
    assert tuple(pixels[45, 22]) == (150, 50, 70)  # half grey, half (200, 0, 40)
    assert tuple(pixels[39, 16]) == (100, 100, 100)  # 0.299 * 90 + 0.587 * 120 + 0.114 * 24 = 100.1
    white = np.asarray(draw_tile(np.full_like(frame, 255), []))
    assert (white == 255).all()
    assert tuple(np.asarray(draw_tile(np.full_like(frame, 46), []))[0, 0]) == (50, 50, 50)


@pytest.mark.parametrize(
    ("size", "expected"), [((160, 96), (320, 192)), ((1280, 720), (320, 180)), ((360, 640), (180, 320))]
)
def test_tile_sizes(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert tile_size(*size) == expected


def test_frame_indices_are_spread_evenly() -> None:
    assert frame_indices(16, 6) == (0, 3, 6, 9, 12, 15)
    assert frame_indices(3, 6) == (0, 1, 2)
    assert frame_indices(5, 1) == (0,)


def _draw(dataset: Dataset, tracks: list[Track], folder: Path, **options: Any) -> np.ndarray:
    path = folder / "picture.png"
    method_picture(path, dataset, tracks, "title", **options)
    return np.asarray(Image.open(path).convert("RGB"))


def _outline(picture: np.ndarray, row: int, frame: int, corner: tuple[int, int]) -> tuple[int, ...]:
    """The pixel at the enlarged corner of a rectangle; row 0 is the truth, row 1 the prediction."""
    top = 3 * TEXT_LINE_PX + row * (192 + GAP_PX + TEXT_LINE_PX)
    left = GAP_PX + frame * (320 + GAP_PX)
    return tuple(int(value) for value in picture[top + 2 * corner[1], left + 2 * corner[0]])


def test_picture_size_and_a_switch_that_can_be_seen(dataset: Dataset, tmp_path: Path) -> None:
    right, switched = _track(B, B, B, B), _track(A, A, A, B, score=0.8)
    picture = _draw(dataset, [right, switched], tmp_path)
    height = 4 * TEXT_LINE_PX + 2 * (192 + GAP_PX) + GAP_PX
    assert picture.shape == (height, 4 * 320 + 5 * GAP_PX, 3)
    first, second = identity_colour(0), identity_colour(1)
    for frame in range(LENGTH):
        assert _outline(picture, 0, frame, A) == first
        assert _outline(picture, 0, frame, B) == second
        assert _outline(picture, 1, frame, B) == second
    assert [_outline(picture, 1, frame, A) for frame in range(LENGTH)] == [first, first, first, (0, 0, 0)]
    alone = _draw(dataset, [switched], tmp_path)
    assert _outline(alone, 1, 3, B) == first != _outline(alone, 0, 3, B)  # colour does not fit: a switch


def test_background_is_grey_and_low_scores_are_left_out(dataset: Dataset, tmp_path: Path) -> None:
    tracks = [_track(*[EMPTY_PLACE] * 4), _track(*[A] * 4, score=0.3)]
    picture = _draw(dataset, tracks, tmp_path)
    assert _outline(picture, 1, 0, EMPTY_PLACE) == BACKGROUND
    assert _outline(picture, 1, 0, A) == (0, 0, 0)  # 0.3 is not above 0.3
    assert _outline(_draw(dataset, tracks, tmp_path, min_score=0.29), 1, 0, A) == identity_colour(0)


def test_boxes_of_tracks_and_truth_are_outlined_and_not_filled(dataset: Dataset, tmp_path: Path) -> None:
    track = Track(1, 1, 0.9, (None,) * LENGTH, _boxes(B))
    picture = _draw(dataset, [track], tmp_path, iou_type="bbox")
    for row in (0, 1):
        assert _outline(picture, row, 2, B) == identity_colour(1)
        assert _outline(picture, row, 2, (B[0] + 3, B[1] + 3)) == (0, 0, 0)
    assert _outline(picture, 0, 2, A) == identity_colour(0)
    filled = _draw(dataset, [track], tmp_path)
    assert _outline(filled, 0, 2, (B[0] + 3, B[1] + 3)) != (0, 0, 0)  # masks: the truth is filled


def test_truth_that_has_boxes_and_no_masks_is_drawn(dataset: Dataset, tmp_path: Path) -> None:
    """As in data sets for detection: the annotation's boxes are all there is."""
    bare = TruthTrack(1, 1, 1, False, (None,) * LENGTH, (*_boxes(A)[:2], None, None), (768.0,) * LENGTH)
    boxes = replace(dataset, tracks=(bare,))
    picture = _draw(boxes, [Track(1, 1, 0.9, (None,) * LENGTH, _boxes(A))], tmp_path, iou_type="bbox")
    assert [_outline(picture, 0, frame, A) != (0, 0, 0) for frame in range(LENGTH)] == [1, 1, 0, 0]


def test_hidden_truth_shows_tracks_by_rank(dataset: Dataset, tmp_path: Path) -> None:
    hidden = Dataset("d", "valid", (VIDEO,), dataset.categories, None, tmp_path, "a", "s")
    picture = _draw(hidden, [_track(*[A] * 4, score=0.5), _track(*[B] * 4)], tmp_path)
    assert _outline(picture, 0, 0, A) == (0, 0, 0)
    assert _outline(picture, 1, 0, B) == identity_colour(0)
    assert _outline(picture, 1, 0, A) == identity_colour(1)


def test_the_fullest_and_the_median_video_are_chosen(tmp_path: Path) -> None:
    videos = tuple(Video(number, f"v{number}", WIDTH, HEIGHT, ("f.png",) * LENGTH) for number in range(1, 6))
    counts = {1: 0, 2: 3, 3: 1, 4: 5, 5: 2}
    truth = tuple(
        _truth(10 * number + index, A, number) for number, n in counts.items() for index in range(n)
    )
    several = Dataset("d", "val", videos, (Category(1, "c"),), truth, tmp_path, "a", "s")
    assert [video.id for video in choose_videos(several)] == [4, 5]  # 5 objects; 5 3 2 1 0: the median is 2
    single = Dataset("d", "val", videos[:1], (Category(1, "c"),), (), tmp_path, "a", "s")
    assert [video.id for video in choose_videos(single)] == [1]


def test_errors(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    with pytest.raises(UsageError, match="no video with id 9"):
        method_picture(path, dataset, [], "t", video_ids=[9])
    with pytest.raises(UsageError, match="at least 1"):
        method_picture(path, dataset, [], "t", frames_per_video=0)
    frameless = Dataset("d", "val", (VIDEO,), dataset.categories, dataset.tracks, None, "a", "s")
    with pytest.raises(DataError, match="no frames"):
        method_picture(path, frameless, [], "t")
    (tmp_path / VIDEO.file_names[0]).unlink()
    with pytest.raises(DataError):
        method_picture(path, dataset, [], "t")
    assert not path.exists()
