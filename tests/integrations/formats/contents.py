"""Contents for round trips: small random ones, and what a format is expected to give back of one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import strategies as st

from vis_bench.integrations.formats.content import Content, Object
from vis_bench.integrations.formats.table import Format
from vis_bench.masks.rle import decode, encode, tight_box
from vis_bench.types import Category, Video

CATEGORIES = (Category(1, "cat"), Category(3, "dog"))


def mask_of(rows: list[list[int]]) -> Any:
    mask = np.array(rows, bool)
    return encode(mask) if mask.any() else None


@st.composite
def contents(draw: st.DrawFn, scores: bool, videos: int = 2, boxes: bool = False) -> Content:
    """Random videos, classes and objects, with or without scores; boxes: objects of boxes alone."""
    made, objects = [], []
    for number in range(1, draw(st.integers(1, videos)) + 1):
        height, width, frames = (draw(st.integers(2, 5)) for _ in range(3))
        folder = draw(st.sampled_from(["a", "b/c", "d e"])) + str(number)
        names = tuple(f"{folder}/{frame + 3:05d}.jpg" for frame in range(frames))
        made.append(Video(number * 10, folder, width, height, names))
        for _ in range(draw(st.integers(0, 3))):
            bits = draw(
                st.lists(
                    st.lists(
                        st.lists(st.integers(0, 1), min_size=width, max_size=width),
                        min_size=height,
                        max_size=height,
                    ),
                    min_size=frames,
                    max_size=frames,
                )
            )
            masks = tuple(mask_of(rows) for rows in bits)
            corner = st.floats(-3, 30).map(lambda value: round(value * 8) / 8)
            side = st.integers(0, 20).map(lambda value: value / 4)
            box = st.none() | st.tuples(corner, corner, side, side)
            score = draw(st.floats(0, 1)) if scores else None
            objects.append(
                Object(
                    id=len(objects) + 1,
                    video_id=number * 10,
                    category_id=draw(st.sampled_from([1, 3])),
                    score=score,
                    segmentations=(None,) * frames if boxes else masks,
                    boxes=tuple(draw(box) for _ in range(frames)) if boxes else None,
                )
            )
    return Content(tuple(made), CATEGORIES, tuple(objects))


def expected(content: Content, format_: Format, with_scores: bool) -> Counter[Any]:
    """What is to come back: (video, class, score, pixels or boxes), worked out pixel by pixel."""
    found: list[Any] = []
    for video in content.videos:
        own = [one for one in content.objects if one.video_id == video.id]
        # who wins a pixel: the highest score, of equal ones the first
        rank = sorted(range(len(own)), key=lambda i: (-(own[i].score or 0), i))
        for place, one in enumerate(own):
            frames = []
            for frame in range(video.length):
                mask = one.segmentations[frame]
                if mask is None:
                    box = one.boxes[frame] if one.boxes else None
                    frames.append(box)
                    continue
                pixels = decode(mask)
                if not format_.overlaps:
                    for other in rank[: rank.index(place)]:
                        above = own[other].segmentations[frame]
                        if above is not None:
                            pixels = pixels & ~decode(above)
                if not pixels.any():
                    frames.append(None)
                elif not format_.masks:
                    frames.append(tight_box(encode(pixels)))
                else:
                    frames.append(tuple(map(tuple, pixels.tolist())))
            if any(frame is not None for frame in frames) or format_.name in (
                "ytvis",
                "ytvis-results",
                "sav",
            ):
                score = one.score if format_.scores and with_scores else None
                found.append((video.name, one.category_id if format_.classes else None, score, tuple(frames)))
    return Counter(found)


def seen(content: Content, format_: Format) -> Counter[Any]:
    """A content in the same words as `expected`."""
    names = {video.id: video.name for video in content.videos}
    found = []
    for one in content.objects:
        frames: list[Any] = []
        for frame, mask in enumerate(one.segmentations):
            box = one.boxes[frame] if one.boxes else None
            frames.append(box if mask is None else tuple(map(tuple, decode(mask).tolist())))
        category = one.category_id if format_.classes else None
        found.append((names[one.video_id], category, one.score, tuple(frames)))
    return Counter(found)
