"""DAVIS PNG: `<sequence>/<frame>.png` with a palette; the index of a pixel is its object.

0 is background, 255 void. No classes and no scores. Void is left out. Source: DAVIS 2017 challenge,
annotation format.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vis_bench.data.bar import bar
from vis_bench.errors import UsageError
from vis_bench.files import atomic_path
from vis_bench.integrations.formats.content import Content
from vis_bench.integrations.formats.frame_entries import Entry, gather
from vis_bench.integrations.formats.pixel_numbers import painted_frame, picture_names, read_regions
from vis_bench.integrations.formats.reference import only_class, safe_child
from vis_bench.types import Dataset

MODES = ("P", "L")
_VOID = 255


def read(root: Path, reference: Dataset | None) -> Content:
    """A folder of sequences, or DAVIS's own tree. Raises DataError naming the picture."""
    classes, category_id = only_class(reference, str(root))
    known, regions = read_regions(root, MODES, "DAVIS PNG", reference)
    labelled = [one for one in regions if one.number != _VOID]
    entries = [
        Entry(one.video_id, one.number, one.frame, category_id, dict(one.mask), None, None, str(one.file))
        for one in labelled
    ]
    void = len(regions) - len(labelled)
    objects, notes = gather(known, entries)
    if void:
        notes = (*notes, f"regions without a label (void) in {void} frames are left out.")
    return Content(known, classes, objects, notes=notes)


def write(content: Content, folder: Path) -> None:
    """Write a picture for every frame of every video; objects are numbered from 1 within a video.

    Raises UsageError for more than 254 objects in a video.
    """
    for video in bar(content.videos, "writing pictures", "video"):
        numbers = {one.id: place for place, one in enumerate(content.of_video(video.id), start=1)}
        if len(numbers) >= _VOID:
            raise UsageError(
                f"DAVIS PNG holds 254 objects, {video.name!r} has {len(numbers)}. Convert to mots-png or "
                "burst."
            )
        place, objects = safe_child(folder, video.name), content.painted(video.id)
        for frame, name in enumerate(picture_names(video)):
            image = Image.fromarray(painted_frame(objects, numbers, frame, video).astype(np.uint8), "L")
            image.putpalette(palette())
            with atomic_path(safe_child(place, name, ".png")) as temporary:
                image.save(temporary, format="PNG")


def palette() -> list[int]:
    """256 colours (r, g, b in a row): bit k of an index sets the highest free bit of each colour in turn.

    Source: PASCAL VOC development kit, VOClabelcolormap; DAVIS uses the same.
    """
    colours = []
    for index in range(256):
        colour, rest = [0, 0, 0], index
        for bit in range(7, -1, -1):
            for channel in range(3):
                colour[channel] |= ((rest >> channel) & 1) << bit
            rest >>= 3
        colours += colour
    return colours
