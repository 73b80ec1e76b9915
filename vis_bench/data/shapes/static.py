"""Dense single images with a class map, for the pretraining that all methods share."""

from __future__ import annotations

import numpy as np

from vis_bench.data.shapes.render import render_video
from vis_bench.data.shapes.scenario import (
    ObjectPlan,
    VideoPlan,
    draw_background,
    draw_looks,
    random_generator,
)

OBJECTS = (6, 12)
RADIUS_PX = (10.0, 24.0)


def static_images(seed: int, count: int, size: tuple[int, int] = (96, 160)) -> tuple[np.ndarray, np.ndarray]:
    """Images of 6 to 12 objects in the look of the synthetic videos, and the class of every pixel.

    seed: any integer from 0. size: (height, width) in pixels. Image i depends on seed, i and size only.
    The random streams are named apart from those of every split, so no video shows up here.
    Returns uint8 [count, H, W, 3] RGB and uint8 [count, H, W]: 0 background, 1 to 5 the class of the
    nearest object, in the order of CLASS_NAMES.
    """
    height, width = size
    images = np.empty((count, height, width, 3), dtype=np.uint8)
    maps = np.empty((count, height, width), dtype=np.uint8)
    for i in range(count):
        plan = _draw_static(size, random_generator("static", seed, i))
        rendered = render_video(plan)
        # Position -1 (nobody) picks the last entry, the background.
        classes = np.array([item.look.label + 1 for item in plan.objects] + [0], dtype=np.uint8)
        images[i], maps[i] = rendered.frames[0], classes[rendered.owners[0]]
    return images, maps


def _draw_static(size_px: tuple[int, int], rng: np.random.Generator) -> VideoPlan:
    height, width = size_px
    count = int(rng.integers(OBJECTS[0], OBJECTS[1] + 1))
    objects = [
        ObjectPlan(
            look=look,
            centres_px=rng.uniform((0.0, 0.0), (width, height))[None, :],
            radii_px=rng.uniform(*RADIUS_PX, 1),
            angles_rad=rng.uniform(-1.0, 1.0, 1),
        )
        for look in draw_looks(count, rng)
    ]
    return VideoPlan(
        size_px=size_px,
        objects=tuple(objects),
        background=draw_background(1, size_px, (0.0, 16.0), rng),
        blur_sigma_px=float(rng.uniform(0.3, 0.6)),
        streaks=np.where(rng.random(1) < 0.1, rng.integers(0, 2, 1), -1),
        noise_sigma=float(rng.uniform(2.0, 5.0)),
        noise_seeds=rng.integers(0, 2**32, 1),
    )
