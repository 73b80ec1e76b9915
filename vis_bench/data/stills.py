"""The still images of shapes as a data set: what the image stage trains on where there is no COCO."""

from __future__ import annotations

from pathlib import Path

from vis_bench.cache import saying_that_it_is_made_anew
from vis_bench.data.shapes.stills import ALIKE_SHARE, ensure_stills
from vis_bench.data.stored import open_annotations
from vis_bench.types import Dataset


def stills_dataset(
    seed: int, images: int, cache_root: Path, alike_share: float = ALIKE_SHARE, progress: bool = True
) -> Dataset:
    """So many still images of shapes with masks, as videos of one frame; see shapes.stills.ensure_stills.

    At least half of the images have two or more objects equal in class, colour and texture, and at least half
    of those such a pair that overlaps or lies within 4 pixels, unless another alike_share is given. The
    images are made on the first call and kept below cache_root.
    Raises UsageError for a number out of range, DataError when the folder cannot be written.
    """
    folder = ensure_stills(seed, images, cache_root, alike_share, progress)
    with saying_that_it_is_made_anew(folder):
        return open_annotations(
            folder / "instances_train.json", folder / "JPEGImages", "stills", "train", cache_root
        )
