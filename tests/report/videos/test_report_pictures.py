"""A video side by side: rows, columns, colours that follow identity, and marks of what is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vis_bench.errors import DataError, UsageError
from vis_bench.masks import rle
from vis_bench.report.drawing.palette import BACKGROUND, identity_colour
from vis_bench.report.videos.choice import choose_videos, frame_indices
from vis_bench.report.videos.identity_colours import closest_truth
from vis_bench.report.videos.sheet import GAP_PX, HEAD_PX, LINE_PX, MARK, Line, Region, draw_tile, tile_size
from vis_bench.report.videos.side_by_side import Shown, layout, write_side_by_side
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


@pytest.mark.parametrize(
    ("size", "expected"), [((160, 96), (256, 154)), ((1280, 720), (256, 144)), ((360, 640), (144, 256))]
)
def test_tile_sizes(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert tile_size(*size) == expected


def test_frame_indices_are_spread_evenly() -> None:
    assert frame_indices(16, 6) == (0, 3, 6, 9, 12, 15)
    assert frame_indices(3, 6) == (0, 1, 2)
    assert frame_indices(5, 1) == (0,)


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


def _marks(line: Line) -> list[list[tuple[str, str]]]:
    """Marks and labels of every frame, the lowest region first."""
    return [[(region.marks, region.text) for region in regions] for regions in line.frames]


def test_the_truth_stands_above_a_row_per_method_with_class_and_score(dataset: Dataset) -> None:
    runs = [Shown("one, seed 0", [_track(*[A] * 4), _track(*[B] * 4, score=0.3)]), Shown("two, seed 1", [])]
    truth, one, two = layout(dataset, VIDEO, runs, (0, 3))
    assert [(line.title, line.note, len(line.frames)) for line in (truth, one, two)] == [
        ("truth", "2 objects", 2), ("one, seed 0", "1 track", 2), ("two, seed 1", "0 tracks", 2),
    ]  # fmt: skip
    assert _marks(truth) == [[("", "thing"), ("", "thing")]] * 2
    assert _marks(one) == [[("", "thing 0.90"), ("X", "")]] * 2  # 0.3 is not above 0.3
    assert [region.colour for region in truth.frames[0]] == [identity_colour(0), identity_colour(1)]
    (found, missed), _ = one.frames
    assert (found.colour, missed.colour) == (identity_colour(0), identity_colour(1))
    assert (found.dashed, missed.dashed, missed.filled) == (False, True, False)
    assert np.array_equal(missed.mask, rle.decode(_rectangle(B)))
    assert _marks(two) == [[("X", ""), ("X", "")]] * 2


def test_a_planted_switch_is_marked_in_the_next_frame_that_is_shown(dataset: Dataset) -> None:
    """The tracks exchange their objects in frame 2, which is not shown; afterwards colours do not fit."""
    tracks = [_track(A, A, B, B), _track(B, B, A, A, score=0.8)]
    _, run = layout(dataset, VIDEO, [Shown("m", tracks)], (0, 1, 3))
    assert _marks(run) == [
        [("", "thing 0.80"), ("", "thing 0.90")],
        [("", "thing 0.80"), ("", "thing 0.90")],
        [("S", "thing 0.80"), ("S", "thing 0.90")],
    ]
    first, last = run.frames[0][1], run.frames[2][1]
    assert first.colour == last.colour
    assert np.array_equal(last.mask, rle.decode(_rectangle(B)))
    _, every = layout(dataset, VIDEO, [Shown("m", tracks)], (0, 1, 2, 3))
    assert [[marks for marks, _ in frame] for frame in _marks(every)] == [
        [""] * 2,
        [""] * 2,
        ["S"] * 2,
        [""] * 2,
    ]


def test_duplicates_false_positives_and_another_class_are_marked(dataset: Dataset) -> None:
    dataset = replace(dataset, categories=(Category(1, "thing"), Category(2, "a very long class name")))
    tracks = [
        _track(*[A] * 4),
        replace(_track(*[B] * 4, score=0.8), category_id=2),
        _track(*[A] * 4, score=0.7),
        _track(*[EMPTY_PLACE] * 4, score=0.6),
    ]
    _, run = layout(dataset, VIDEO, [Shown("m", tracks)], (0,))
    assert _marks(run) == [
        [("F", "thing 0.60"), ("D", "thing 0.70"), ("", "≠a very… name 0.80"), ("", "thing 0.90")]
    ]
    assert run.frames[0][0].colour == BACKGROUND


def test_boxes_are_outlined_and_not_filled(dataset: Dataset) -> None:
    run = Shown("m", [Track(1, 1, 0.9, (None,) * LENGTH, _boxes(B))], "bbox")
    truth, line = layout(dataset, VIDEO, [run], (2,))
    assert [region.filled for region in (*truth.frames[0], *line.frames[0])] == [False] * 4
    assert _marks(line) == [[("", "thing 0.90"), ("X", "")]]
    masks, _ = layout(dataset, VIDEO, [Shown("m", [])], (2,))
    assert [region.filled for region in masks.frames[0]] == [True] * 2


def test_truth_that_has_boxes_and_no_masks_is_drawn(dataset: Dataset) -> None:
    """As in data sets for detection: the annotation's boxes are all there is."""
    bare = TruthTrack(1, 1, 1, False, (None,) * LENGTH, (*_boxes(A)[:2], None, None), (768.0,) * LENGTH)
    truth, _ = layout(replace(dataset, tracks=(bare,)), VIDEO, [Shown("m", [], "bbox")], (0, 1, 2, 3))
    assert [len(regions) for regions in truth.frames] == [1, 1, 0, 0]


def test_tile_keeps_the_colours_of_the_frame_and_has_tint_outline_and_mark() -> None:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[40:80, 8:60] = True
    frame = Image.fromarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8) + np.uint8([90, 120, 24]))
    pixels = np.asarray(draw_tile(frame, [Region(mask, (200, 0, 40), "")]).picture)
    assert tuple(pixels[90, 100]) == (96, 128, 32)  # to the nearest of 0, 16, 32, ...
    assert tuple(pixels[60, 8]) == tuple(pixels[60, 9]) == (200, 0, 40)
    assert tuple(pixels[60, 30]) == (127, 90, 34)  # 0.7 of the frame, 0.3 of the colour
    missed = np.asarray(
        draw_tile(frame, [Region(mask, (0, 90, 0), "", "X", filled=False, dashed=True)]).picture
    )
    assert tuple(missed[75, 20]) == (96, 128, 32)
    edge = {tuple(pixel) for pixel in missed[40:80, 8].tolist()}
    assert edge == {(0, 90, 0), (255, 255, 255)}
    assert (missed == np.array(MARK)).all(axis=2).sum() > 50


def test_the_sheet_has_a_column_per_frame_and_a_row_per_line(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    write_side_by_side(path, dataset, VIDEO, [Shown("m", [_track(*[A] * 4)])], count=3)
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    width, height = tile_size(WIDTH, HEIGHT)
    assert pixels.shape[1] == HEAD_PX + 3 * (width + GAP_PX) + GAP_PX
    for row in (0, 1):
        for column in (0, 1, 2):
            top = 2 * LINE_PX + GAP_PX + row * (height + GAP_PX)
            left = HEAD_PX + column * (width + GAP_PX)
            # the left edge of A, enlarged 1.6 times: pixels 13 and 14
            assert tuple(pixels[top + 50, left + 13]) == identity_colour(0)
            assert tuple(pixels[top + 50, left + 12]) == (0, 0, 0)


def test_what_cannot_be_drawn_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    with pytest.raises(UsageError, match="at least 1"):
        write_side_by_side(path, dataset, VIDEO, [], count=0)
    with pytest.raises(DataError, match="not public"):
        write_side_by_side(path, replace(dataset, tracks=None), VIDEO, [])
    with pytest.raises(DataError, match="no frames"):
        write_side_by_side(path, replace(dataset, image_root=None), VIDEO, [])
    (tmp_path / VIDEO.file_names[0]).unlink()
    with pytest.raises(DataError):
        write_side_by_side(path, dataset, VIDEO, [])
    assert not path.exists()
