"""Four tiny videos of one's own, as a labelling tool leaves them: JPEG frames, a PNG of labels each.

Two discs cross a ground of noise; a pixel of a label is 0 for the ground, 1 and 2 for the discs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (48, 64)
FRAMES = 6
VIDEOS = {"train": ("street", "yard"), "val": ("park", "hall")}
COLOURS = ((0, 0, 0), (220, 60, 60), (60, 90, 220))


def write_videos(folder: Path) -> None:
    """`mine/<split>/JPEGImages/<video>/`, `labels/<split>/<video>/`, and a video without labels, `new/`."""
    for number, (split, name) in enumerate((s, n) for s, names in VIDEOS.items() for n in names):
        write_video(folder / "mine" / split / "JPEGImages" / name, folder / "labels" / split / name, number)
    write_video(folder / "new", folder / "unused", 9)


def write_video(frames: Path, labels: Path, number: int) -> None:
    random = np.random.default_rng(number)
    for path in (frames, labels):
        path.mkdir(parents=True)
    for frame in range(FRAMES):
        label = labels_of(frame, number)
        ground = random.integers(90, 130, (*SIZE, 3), dtype=np.uint8)
        picture = np.where(label[..., None] > 0, np.array(COLOURS, np.uint8)[label], ground)
        Image.fromarray(picture).save(frames / f"{frame:05d}.jpg", quality=90)
        image = Image.fromarray(label.astype(np.uint8), "P")
        image.putpalette([value for colour in COLOURS for value in colour])
        image.save(labels / f"{frame:05d}.png")


def labels_of(frame: int, number: int) -> np.ndarray:
    """[48, 64] integers: which disc covers a pixel; the second one lies in front."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    first = (rows - 16 - 3 * number % 8) ** 2 + (columns - 12 - 7 * frame) ** 2 < 81
    second = (rows - 30) ** 2 + (columns - 50 + 6 * frame) ** 2 < 64
    return np.where(second, 2, np.where(first, 1, 0))
