"""Tracks drawn over a video, frame by frame: identity colours, class and score of each track."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vis_bench.data.video_files import writing_video
from vis_bench.masks.rle import decode, tight_box
from vis_bench.report.drawing.palette import identity_colour
from vis_bench.report.videos.label_places import NEAR_PX, Rectangle, free_place, gap, nearest_point
from vis_bench.types import Box, Track, Video

ABOVE = 0.3
"""Tracks scored above this are drawn, as in the viewer."""
_SHARE = 0.45
LEAST_SIDE_PX = 640
"""Frames with a smaller longer side are drawn larger: the labels of a few tracks would hide all of them."""
_MOST_TIMES = 8
TALL = "Ápg≠0"
"""Letters as high and as low as any."""


def write_overlay(
    path: Path,
    video: Video,
    frames: Iterable[np.ndarray],
    tracks: Sequence[Track],
    names: Mapping[int, str],
    rate: Fraction,
    progress: Callable[[int], object] | None = None,
    above: float = ABOVE,
) -> None:
    """Write an mp4 of a video with its tracks drawn in; a frame is held at a time.

    frames: [H, W, 3] uint8 in order. tracks: of this video; those scored higher than `above` are drawn, the
    best on top, with the colour of their place by score. names: class names by id. progress: told how many
    are done. Small frames are enlarged (`enlargement`). Raises UsageError without PyAV.
    """
    kept = sorted((one for one in tracks if one.score > above), key=lambda one: -one.score)
    times = enlargement(video.width, video.height)
    with writing_video(path, times * video.width, times * video.height, rate) as write:
        for index, frame in enumerate(frames):
            write(overlaid(frame, kept, index, names, times))
            if progress is not None:
                progress(index + 1)


def enlargement(width: int, height: int) -> int:
    """How many times as large a frame is drawn, so that labels have room: 1 from LEAST_SIDE_PX on."""
    return max(1, min(_MOST_TIMES, -(-LEAST_SIDE_PX // max(width, height))))


def overlaid(
    frame: np.ndarray, tracks: Sequence[Track], index: int, names: Mapping[int, str], times: int = 1
) -> np.ndarray:
    """A copy of a frame [H, W, 3] uint8 with the tracks of frame `index`; the first of them on top.

    times: as many times as large, [times * H, times * W, 3]. No label covers another. The best tracks choose
    first; where there is no room left the label is the number of the track alone, or none.
    """
    picture = _repeated(frame, times)
    boxes: list[tuple[Box, int]] = []
    for place in range(len(tracks) - 1, -1, -1):
        track = tracks[place]
        mask, box = track.segmentations[index], track.boxes[index] if track.boxes else None
        if mask is not None:
            inside = _repeated(decode(mask), times)
            colour = np.array(identity_colour(place), np.float32)
            picture[inside] = (1 - _SHARE) * picture[inside] + _SHARE * colour
            picture[_edge(inside)] = identity_colour(place)
            boxes.append((tight_box(mask), place))
        elif box is not None:
            boxes.append((box, place))
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(10, round(min(picture.shape[:2]) / 24)))
    corners = [
        (tuple(times * value for value in (left, top, left + width, top + height)), place)
        for (left, top, width, height), place in boxes
    ]
    for corner, place in corners:
        if tracks[place].segmentations[index] is None:
            draw.rectangle(corner, outline=identity_colour(place), width=2)
    taken: list[Rectangle] = []
    labels: list[tuple[Rectangle, str, int]] = []
    for (left, top, right, bottom), place in reversed(corners):
        track = tracks[place]
        for text in (f"{place + 1} {names[track.category_id]} {track.score:.2f}", f"{place + 1}"):
            size = label_size(draw, text, font)
            room = free_place((left, top, right, bottom), size, picture.shape[:2], taken)
            if room is not None:
                taken.append(room)
                labels.append((room, text, place))
                draw_leader(draw, room, (left, top, right, bottom), identity_colour(place))
                break
    # after all lines, which would cross them
    for room, text, place in labels:
        write_label(draw, room, text, font, identity_colour(place))
    return np.asarray(image)


def _repeated(pixels: np.ndarray, times: int) -> np.ndarray:
    """A copy in which every pixel of [H, W, ...] is a square of `times` pixels a side."""
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _edge(inside: np.ndarray) -> np.ndarray:
    """Pixels of a mask [H, W] with a neighbour (of four) outside it."""
    padded = np.pad(inside, 1)
    middle = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~middle


def label_size(
    draw: ImageDraw.ImageDraw, text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont
) -> tuple[float, float]:
    """Width and height of a label with its box. One height for all texts of a font: they stand in rows."""
    left, _, right, _ = draw.textbbox((0, 0), text, font=font)
    _, top, _, bottom = draw.textbbox((0, 0), TALL, font=font)
    return right - left + 4, bottom - top + 4


def draw_leader(
    draw: ImageDraw.ImageDraw, room: Rectangle, region: Rectangle, colour: tuple[int, int, int]
) -> None:
    """A line from a label to the middle of its region, where it does not stand beside it."""
    if gap(room, region) > NEAR_PX:
        middle = ((region[0] + region[2]) / 2, (region[1] + region[3]) / 2)
        draw.line((nearest_point(room, middle), middle), fill=colour, width=1)


def write_label(
    draw: ImageDraw.ImageDraw,
    room: Rectangle,
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    colour: tuple[int, int, int],
) -> None:
    """A label in a filled box."""
    left, _, _, _ = draw.textbbox((0, 0), text, font=font)
    _, top, _, _ = draw.textbbox((0, 0), TALL, font=font)
    draw.rectangle(room, fill=colour)
    dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    ink = (0, 0, 0) if dark else (255, 255, 255)
    draw.text((room[0] + 2 - left, room[1] + 2 - top), text, font=font, fill=ink)
