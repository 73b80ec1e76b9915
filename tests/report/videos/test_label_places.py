"""Labels of tracks: none over another, also in small frames, and the same places every time."""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vis_bench.masks import rle
from vis_bench.report.drawing.palette import identity_colour
from vis_bench.report.videos import overlay, sheet
from vis_bench.report.videos.label_places import Rectangle, free_place
from vis_bench.report.videos.overlay import LEAST_SIDE_PX, enlargement, overlaid
from vis_bench.report.videos.sheet import Line, Region, draw_sheet, draw_tile
from vis_bench.types import Track

HEIGHT, WIDTH = 96, 128


def overlapping(rooms: list[Rectangle]) -> list[tuple[Rectangle, Rectangle]]:
    return [
        (a, b)
        for a, b in itertools.combinations(rooms, 2)
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
    ]


def mask_at(x: int, y: int, side: int = 20) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[y : y + side, x : x + side] = True
    return mask


def test_the_places_in_order() -> None:
    region, size, frame = (40.0, 40.0, 60.0, 60.0), (30.0, 10.0), (HEIGHT, WIDTH)
    above = (40.0, 30.0, 70.0, 40.0)
    below = (40.0, 61.0, 70.0, 71.0)
    assert free_place(region, size, frame, []) == above
    assert free_place(region, size, frame, [above]) == below
    taken: list[Rectangle] = []
    while (room := free_place(region, size, frame, taken)) is not None:
        assert min(room) >= 0
        assert room[2] <= WIDTH
        assert room[3] <= HEIGHT
        taken.append(room)
    assert len(taken) >= 20  # of 30 x 10 pixels in 128 x 96
    assert overlapping(taken) == []
    assert free_place(region, (WIDTH + 1.0, 10.0), frame, []) is None


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> list[Rectangle]:
    """Where labels and marks are written, in order."""
    found: list[Rectangle] = []
    written = overlay.write_label

    def write_label(draw: Any, room: Rectangle, *others: Any) -> None:
        found.append(room)
        written(draw, room, *others)

    monkeypatch.setattr(overlay, "write_label", write_label)
    monkeypatch.setattr(sheet, "write_label", write_label)
    badges = sheet._write_badges

    def write_badges(draw: Any, letters: str, room: Rectangle) -> None:
        if letters:
            found.append((room[0], room[1], room[0] + 13 * len(letters), room[3]))
        badges(draw, letters, room)

    monkeypatch.setattr(sheet, "_write_badges", write_badges)
    return found


def crowd(count: int) -> list[Region]:
    """Regions over one another, and an object that is missed among them."""
    found = [
        Region(mask_at(40 + n, 30 + n), identity_colour(n), f"triangle 0.{99 - n}", "D") for n in range(count)
    ]
    return [*found, Region(mask_at(50, 40), identity_colour(0), "", "X", filled=False, dashed=True)]


def test_no_label_of_a_tile_covers_another(rooms: list[Rectangle]) -> None:
    tile = draw_tile(Image.new("RGB", (256, 192)), crowd(10))
    assert tile.left_out == ()
    assert len(rooms) == 10 * 2 + 1
    assert overlapping(rooms) == []
    again = draw_tile(Image.new("RGB", (256, 192)), crowd(10))
    assert np.array_equal(np.asarray(tile.picture), np.asarray(again.picture))


def test_labels_without_room_are_listed_beneath_the_tile(rooms: list[Rectangle]) -> None:
    regions = crowd(40)
    tile = draw_tile(Image.new("RGB", (256, 192)), regions)
    assert 0 < len(tile.left_out) < 40
    # the lesser ones: the last region is on top and chooses first
    assert tile.left_out == tuple(reversed(regions[: len(tile.left_out)]))
    rooms.clear()
    frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    few, many = (
        Image.open(io.BytesIO(draw_sheet("t", ["0"], [frame], [Line("m", "n", (tuple(one),))], ())))
        for one in (regions[-3:], regions)
    )
    assert many.height > few.height
    # those of the tile have its own pixels as coordinates, those beneath it the sheet's
    assert sum(room[0] >= sheet.HEAD_PX and room[1] >= 192 for room in rooms) >= len(tile.left_out)


@pytest.mark.parametrize(
    ("size", "times"), [((128, 96), 5), ((96, 128), 5), ((320, 240), 2), ((640, 360), 1), ((8, 8), 8)]
)
def test_small_frames_are_enlarged(size: tuple[int, int], times: int) -> None:
    assert enlargement(*size) == times
    assert enlargement(LEAST_SIDE_PX, 10) == 1


def test_no_label_of_an_enlarged_frame_covers_another(rooms: list[Rectangle]) -> None:
    frame = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    tracks = [Track(1, 1, 0.95 - 0.05 * n, (rle.encode(mask_at(40 + n, 30 + n)),)) for n in range(10)]
    drawn = overlaid(frame, tracks, 0, {1: "triangle"}, enlargement(WIDTH, HEIGHT))
    assert drawn.shape == (5 * HEIGHT, 5 * WIDTH, 3)
    assert (len(rooms), overlapping(rooms)) == (10, [])
    assert tuple(drawn[5 * 30, 5 * 50]) == identity_colour(0)  # the upper edge of the best mask
    # without room for ten, those that are there do not cover each other either
    rooms.clear()
    overlaid(frame, tracks * 9, 0, {1: "triangle"})
    assert overlapping(rooms) == []
