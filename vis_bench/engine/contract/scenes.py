"""Small pictures with known truth: what the checks train on and track. No dataset has to be there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from vis_bench.engine.training.clips.augment import tight_boxes
from vis_bench.method import Clip
from vis_bench.types import Category, Dataset, Video

CLASS_NAMES = ("rectangle", "disc", "unused")
SIZE = (64, 96)
"""Height and width in pixels of what is trained on."""
_COLOURS = ((230, 60, 50), (60, 110, 240), (240, 210, 60), (70, 200, 110))


@dataclass(frozen=True, slots=True)
class Scene:
    """pixels: [T, H, W, 3] uint8 RGB. masks: [T, N, H, W] bool. labels: [N] int64 in 0..1."""

    pixels: np.ndarray
    masks: np.ndarray
    labels: np.ndarray


def draw_scene(seed: int, frames: int, objects: int, size: tuple[int, int] = SIZE) -> Scene:
    """Coloured rectangles and discs that move over a grey, noisy ground. The same for the same arguments.

    size: (height, width) in pixels. Later objects cover earlier ones.
    """
    height, width = size
    # a generator of its own for the noise: the objects do not depend on the number of frames
    random, noise = np.random.default_rng([seed, 0]), np.random.default_rng([seed, 1])
    pixels = noise.integers(90, 120, (frames, height, width, 3), dtype=np.uint8)
    masks = np.zeros((frames, objects, height, width), dtype=bool)
    rows, columns = np.mgrid[:height, :width]
    for n in range(objects):
        radius = min(size) * random.uniform(0.14, 0.2)
        x = width * (n + 0.5 + random.uniform(-0.15, 0.15)) / objects
        y = height * random.uniform(0.3, 0.7)
        step_x, step_y = random.uniform(-2, 2, 2)
        for t in range(frames):
            dx, dy = columns - (x + t * step_x), rows - (y + t * step_y)
            disc = dx**2 + dy**2 <= radius**2
            rectangle = (np.abs(dx) <= radius) & (np.abs(dy) <= 0.7 * radius)
            mask = disc if n % 2 else rectangle
            pixels[t, mask] = _COLOURS[n % len(_COLOURS)]
            masks[t, :n, mask] = False
            masks[t, n] = mask
    return Scene(pixels, masks, np.arange(objects) % 2)


def draw_look_alikes(seed: int, frames: int) -> Scene:
    """Two objects of one kind, colour and size that touch, anywhere in the picture; all frames are equal.

    Touching means that no pixel lies between them where they are nearest. A dark rim of one pixel belongs to
    each, so that where one ends can be seen.
    """
    random = np.random.default_rng([seed, 2])
    height, width = SIZE
    radius = 0.15 * height
    kind, colour = int(random.integers(2)), _COLOURS[int(random.integers(len(_COLOURS)))]
    angle = random.uniform(0, 2 * np.pi)
    # half the way from one centre to the other, for discs and for rectangles of 2 by 1.4 radii
    x, y = np.cos(angle), np.sin(angle)
    reach = radius if kind else min(radius / max(abs(x), 1e-9), 0.7 * radius / max(abs(y), 1e-9))
    step = np.array([x, y]) * (reach - 0.25)
    margin = np.abs(step) + radius + 1
    middle = random.uniform(margin, np.array([width, height]) - margin)
    rows, columns = np.mgrid[:height, :width]
    picture = random.integers(90, 120, (height, width, 3), dtype=np.uint8)
    masks = np.zeros((2, height, width), dtype=bool)
    for n, centre in enumerate((middle - step, middle + step)):
        dx, dy = columns - centre[0], rows - centre[1]
        size = np.hypot(dx, dy) / radius if kind else np.maximum(np.abs(dx), np.abs(dy) / 0.7) / radius
        mask, inner = size <= 1, size <= 1 - 1 / radius
        picture[mask], picture[inner] = (30, 30, 30), colour
        masks[:n, mask] = False
        masks[n] = mask
    labels = np.full(2, kind)
    return Scene(np.repeat(picture[None], frames, 0), np.repeat(masks[None], frames, 0), labels)


def blank_scene(frames: int, size: tuple[int, int] = SIZE) -> Scene:
    """Black frames without an object."""
    height, width = size
    return Scene(
        np.zeros((frames, height, width, 3), np.uint8),
        np.zeros((frames, 0, height, width), bool),
        np.zeros(0, np.int64),
    )


def as_clip(scene: Scene) -> Clip:
    """A scene as a training clip; objects that are nowhere visible are left out."""
    masks = torch.from_numpy(scene.masks)
    boxes, visible = tight_boxes(masks)
    kept = visible.any(dim=0)
    return Clip(
        frames=torch.from_numpy(np.ascontiguousarray(scene.pixels.transpose(0, 3, 1, 2))),
        labels=torch.from_numpy(scene.labels).long()[kept],
        masks=masks[:, kept],
        boxes=boxes[:, kept],
        visible=visible[:, kept],
    )


def hidden_after(scene: Scene, frame: int) -> Scene:
    """The same scene with nothing but black from `frame` on."""
    pixels, masks = scene.pixels.copy(), scene.masks.copy()
    pixels[frame:], masks[frame:] = 0, False
    return Scene(pixels, masks, scene.labels)


def followed_by(scene: Scene, frame: int, other: Scene) -> Scene:
    """The pixels of `scene` before `frame`, then those of `other`; without truth, to be tracked only."""
    pixels = np.concatenate([scene.pixels[:frame], other.pixels[frame:]])
    return Scene(pixels, np.zeros((len(pixels), 0, *pixels.shape[1:3]), bool), np.zeros(0, np.int64))


def first_frames(scene: Scene, frames: int) -> Scene:
    """The first `frames` frames."""
    return Scene(scene.pixels[:frames], scene.masks[:frames], scene.labels)


def write_video(folder: Path, number: int, name: str, scene: Scene) -> Video:
    """Write the frames as PNG, without loss, and return the video; number: its id."""
    (folder / name).mkdir(parents=True)
    names = [f"{name}/{t:05d}.png" for t in range(len(scene.pixels))]
    for file_name, frame in zip(names, scene.pixels, strict=True):
        Image.fromarray(frame).save(folder / file_name, compress_level=1)
    height, width = scene.pixels.shape[1:3]
    return Video(number, name, width, height, tuple(names))


def as_dataset(folder: Path, videos: Sequence[Video], class_names: Sequence[str] = CLASS_NAMES) -> Dataset:
    """Videos below `folder` as a dataset without truth."""
    categories = tuple(Category(i + 1, name) for i, name in enumerate(class_names))
    return Dataset("contract", "check", tuple(videos), categories, None, folder, "", "")
