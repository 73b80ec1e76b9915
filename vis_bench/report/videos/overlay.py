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
from vis_bench.types import Track, Video

ABOVE = 0.3
"""Tracks scored above this are drawn, as in the viewer."""
_SHARE = 0.45
Rectangle = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""


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
    are done. Raises UsageError without PyAV.
    """
    kept = sorted((one for one in tracks if one.score > above), key=lambda one: -one.score)
    with writing_video(path, video.width, video.height, rate) as write:
        for index, frame in enumerate(frames):
            write(overlaid(frame, kept, index, names))
            if progress is not None:
                progress(index + 1)


def overlaid(frame: np.ndarray, tracks: Sequence[Track], index: int, names: Mapping[int, str]) -> np.ndarray:
    """A copy of a frame [H, W, 3] uint8 with the tracks of frame `index`; the first of them on top."""
    picture = frame.copy()
    labels: list[tuple[tuple[float, float, float, float], int, Track]] = []
    for place in range(len(tracks) - 1, -1, -1):
        track = tracks[place]
        mask, box = track.segmentations[index], track.boxes[index] if track.boxes else None
        if mask is not None:
            inside = decode(mask)
            colour = np.array(identity_colour(place), np.float32)
            picture[inside] = (1 - _SHARE) * picture[inside] + _SHARE * colour
            picture[_edge(inside)] = identity_colour(place)
            labels.append((tight_box(mask), place, track))
        elif box is not None:
            labels.append((box, place, track))
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size=max(10, round(min(frame.shape[:2]) / 24)))
    for (left, top, width, height), place, track in labels:
        if track.segmentations[index] is None:
            draw.rectangle((left, top, left + width, top + height), outline=identity_colour(place), width=2)
    tags: list[tuple[Rectangle, int, str]] = []
    for (left, top, _, _), place, track in reversed(labels):
        text = f"{place + 1} {names[track.category_id]} {track.score:.2f}"
        size = draw.textbbox((0, 0), text, font=font)
        room = label_room((left, top), size, frame.shape[:2], [taken for taken, _, _ in tags])
        tags.append((room, place, text))
    # the label of the best track on top
    for room, place, text in reversed(tags):
        write_label(draw, room, text, font, identity_colour(place))
    return np.asarray(image)


def _edge(inside: np.ndarray) -> np.ndarray:
    """Pixels of a mask [H, W] with a neighbour (of four) outside it."""
    padded = np.pad(inside, 1)
    middle = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~middle


def label_room(
    corner: tuple[float, float], text: Rectangle, size: tuple[int, int], taken: Sequence[Rectangle]
) -> Rectangle:
    """Where a label goes: above a corner, inside the frame [H, W] and below the labels in its way.

    text: what it takes when it is drawn at (0, 0). Where there is no room down to the lower edge of the frame
    it goes above the corner.
    """
    width, height = text[2] - text[0] + 4, text[3] - text[1] + 4
    x = min(max(0, corner[0]), max(0, size[1] - width))
    first = min(max(0, corner[1] - height), max(0, size[0] - height))
    y = first
    while any(x < one[2] and x + width > one[0] and y < one[3] and y + height > one[1] for one in taken):
        y += height + 1
        if y + height > size[0]:
            y = first
            break
    return x, y, x + width, y + height


def write_label(
    draw: ImageDraw.ImageDraw,
    room: Rectangle,
    text: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    colour: tuple[int, int, int],
) -> None:
    """A label in a filled box."""
    left, top, _, _ = draw.textbbox((0, 0), text, font=font)
    draw.rectangle(room, fill=colour)
    dark = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140
    ink = (0, 0, 0) if dark else (255, 255, 255)
    draw.text((room[0] + 2 - left, room[1] + 2 - top), text, font=font, fill=ink)
