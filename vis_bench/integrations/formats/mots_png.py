"""MOTS PNG: `<sequence>/<frame>.png`, 16 bit, every pixel class * 1000 + n of its object, 0 background.

Source: KITTI MOTS and MOTSChallenge, png annotation format (mots_tools).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from vis_bench.data.bar import bar
from vis_bench.files import atomic_path
from vis_bench.integrations.formats.content import Content
from vis_bench.integrations.formats.frame_entries import Entry, gather
from vis_bench.integrations.formats.mots_classes import (
    IGNORED_CLASS,
    PER_CLASS,
    classes_of,
    mots_numbers,
)
from vis_bench.integrations.formats.pixel_numbers import painted_frame, picture_names, read_regions
from vis_bench.integrations.formats.reference import safe_child
from vis_bench.types import Dataset

MODES = ("I;16", "I;16B", "I")
_LARGEST = 65_535


def read(root: Path, reference: Dataset | None) -> Content:
    """A folder of sequences. Raises DataError naming the picture."""
    known, regions = read_regions(root, MODES, "MOTS PNG", reference)
    counted = [one for one in regions if one.number // PER_CLASS != IGNORED_CLASS]
    entries = [
        Entry(
            *(one.video_id, one.number, one.frame, one.number // PER_CLASS, dict(one.mask)),
            *(None, None, str(one.file)),
        )
        for one in counted
    ]
    ignored = len(regions) - len(counted)
    classes = classes_of((entry.category_id for entry in entries), reference, str(root))
    objects, notes = gather(known, entries)
    if ignored:
        notes = (*notes, f"{ignored} regions to ignore (class {IGNORED_CLASS}) are left out.")
    return Content(known, classes, objects, notes=notes)


def write(content: Content, folder: Path) -> None:
    """Write a picture for every frame of every video."""
    numbers = mots_numbers(content, _LARGEST)
    for video in bar(content.videos, "writing pictures", "video"):
        place, objects = safe_child(folder, video.name), content.painted(video.id)
        for frame, name in enumerate(picture_names(video)):
            picture = painted_frame(objects, numbers, frame, video).astype(np.uint16)
            with atomic_path(safe_child(place, name, ".png")) as temporary:
                Image.fromarray(picture).save(temporary, format="PNG")
