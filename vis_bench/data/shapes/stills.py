"""Still images of shapes with instance masks, full of look-alikes: what the image stage trains on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from vis_bench.data.shapes import truth
from vis_bench.data.shapes.cache import ensure_folder
from vis_bench.data.shapes.layout import WrittenVideo, annotation_file, write_plan
from vis_bench.data.shapes.parameters import FRAME_HEIGHT_PX, FRAME_WIDTH_PX
from vis_bench.data.shapes.render import RenderedVideo, render_video
from vis_bench.data.shapes.scenario import (
    Look,
    ObjectPlan,
    VideoPlan,
    draw_background,
    draw_looks,
    random_generator,
    spread_choice,
)
from vis_bench.data.shapes.version import STILLS_VERSION
from vis_bench.data.shapes.workers import available_processes, write_each
from vis_bench.errors import UsageError

OBJECTS = (2, 8)
# A radius of the videos times their scale, so that a still has the sizes of a frame.
RADIUS_PX = (13.0, 20.0)
SCALE = (0.75, 1.35)
# More than the half that is promised of each, as some planned pairs end hidden or a little farther apart.
ALIKE_SHARE = 0.6
TOUCHING_SHARE = 0.75
# How near two look-alikes count as touching: between the nearest pixels of what is seen of them.
TOUCHING_PX = 4.0
# Distance of the centres of a planned pair, in sums of the radii: from half covered to side by side.
PAIR_DISTANCE = (0.45, 0.95)


def ensure_stills(
    seed: int, images: int, cache_root: Path, alike_share: float = ALIKE_SHARE, progress: bool = True
) -> Path:
    """The folder of still images of the look of the synthetic videos, generated on the first call.

    seed: any integer from 0. images: how many, at least 1. alike_share: share of the images that is planned
    with two or more objects equal in class, colour and texture, in [0, 1]; in three quarters of those some of
    them are planned to overlap or to lie side by side. Image i depends on seed, i and alike_share only, and
    its random stream is named apart from those of every split and of `static_images`. The classes are those
    of `shapes`.

    Returns a folder with `instances_train.json`, where each image is a video of one frame, and
    `JPEGImages/<image>/00000.jpg`. Its name holds STILLS_VERSION. In the annotation file each image has the
    `facts` of a video, and `touching_pair`: whether two equal objects lie within 4 pixels of each other.
    Raises UsageError for a number out of range, DataError when the folder cannot be written.
    """
    if seed < 0 or images < 1 or not 0.0 <= alike_share <= 1.0:
        raise UsageError(
            f"Stills need a seed from 0 ({seed}), at least one image ({images}) and a share of look-alikes "
            f"in 0..1 ({alike_share})."
        )
    stream = f"stills-{images}-seed-{seed}-alike-{alike_share:g}"
    one = partial(_write_still, seed, alike_share)

    def make(folder: Path) -> Mapping[str, Any]:
        written = write_each(partial(one, folder), range(images), available_processes(), "stills", progress)
        return annotation_file(stream, "train", STILLS_VERSION, written)

    return ensure_folder(cache_root / f"{stream}-{STILLS_VERSION}", "instances_train.json", make)


def draw_still(seed: int, index: int, alike_share: float = ALIKE_SHARE) -> VideoPlan:
    """Draw image `index`, a video of one frame: looks, places, depth order, background and camera.

    index also decides whether there are look-alikes and whether some touch, so that the shares hold in any
    run of images.
    """
    rng = random_generator("stills", seed, index)
    size_px = (FRAME_HEIGHT_PX, FRAME_WIDTH_PX)
    count = int(rng.integers(OBJECTS[0], OBJECTS[1] + 1))
    looks = draw_looks(count, rng)
    alike = spread_choice(index, alike_share, (math.sqrt(5.0) - 1.0) / 2.0)
    equal = int(rng.integers(2, count + 1)) if alike else 0
    looks = [looks[0]] * equal + looks[equal:]
    # Of the images with look-alikes, the share of TOUCHING_SHARE in the order of the index.
    touching = equal if alike and spread_choice(index, TOUCHING_SHARE, math.sqrt(2.0) - 1.0) else 0
    objects = _placed(looks, touching, size_px, rng)
    return VideoPlan(
        size_px=size_px,
        objects=tuple(objects[int(i)] for i in rng.permutation(count)),
        background=draw_background(1, size_px, (0.0, 16.0), rng),
        blur_sigma_px=float(rng.uniform(0.3, 0.6)),
        streaks=np.where(rng.random(1) < 0.1, rng.integers(0, 2, 1), -1),
        noise_sigma=float(rng.uniform(2.0, 5.0)),
        noise_seeds=rng.integers(0, 2**32, 1),
    )


def touching_pair(plan: VideoPlan, rendered: RenderedVideo) -> bool:
    """Whether what is seen of two objects equal in class, colour and texture lies within 4 pixels.

    Measured between the centres of the nearest visible pixels of the first frame; objects that cover one
    another are next to each other there. Objects with fewer than 12 visible pixels do not count.
    """
    visible = truth.visible_px(rendered.owners, len(plan.objects))[:, 0]
    seen = [i for i in range(len(plan.objects)) if visible[i]]
    for position, i in enumerate(seen):
        equal = [j for j in seen[position + 1 :] if plan.objects[i].look.equals(plan.objects[j].look)]
        if not equal:
            continue
        distance = ndimage.distance_transform_edt(rendered.owners[0] != i)
        if any(distance[rendered.owners[0] == j].min() <= TOUCHING_PX for j in equal):
            return True
    return False


def _write_still(seed: int, alike_share: float, folder: Path, index: int) -> WrittenVideo:
    plan = draw_still(seed, index, alike_share)
    rendered = render_video(plan)
    written = write_plan(plan, rendered, folder, f"{index:05d}")
    return WrittenVideo(
        written.file_names,
        {**written.facts, "touching_pair": touching_pair(plan, rendered)},
        written.annotations,
    )


def _placed(
    looks: list[Look], touching: int, size_px: tuple[int, int], rng: np.random.Generator
) -> list[ObjectPlan]:
    """Objects at drawn places; of the first `touching` (0 or at least 2) the second lies at the first, and
    each further one with a chance of a half at one of those before it."""
    height, width = size_px
    objects: list[ObjectPlan] = []
    for i, look in enumerate(looks):
        radius = rng.uniform(*RADIUS_PX) * rng.uniform(*SCALE)
        centre = rng.uniform((0.0, 0.0), (width, height))
        beside = i == 1 or (i > 1 and rng.random() < 0.5)
        if i == 0 and touching:
            # Well inside, so that there is room for a neighbour.
            centre = rng.uniform((0.2 * width, 0.2 * height), (0.8 * width, 0.8 * height))
        elif i < touching and beside:
            centre = _beside(objects[int(rng.integers(i))], radius, size_px, rng)
        objects.append(ObjectPlan(look, centre[None, :], np.array([radius]), rng.uniform(-1.0, 1.0, 1)))
    return objects


def _beside(
    other: ObjectPlan, radius_px: float, size_px: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """A centre (x, y) near another object: in the first of eight drawn directions that stays in the frame."""
    height, width = size_px
    distance = rng.uniform(*PAIR_DISTANCE) * (radius_px + float(other.radii_px[0]))
    angles = rng.uniform(0.0, 2.0 * np.pi, 8)
    places = other.centres_px[0] + distance * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    inside = ((places >= 0.0) & (places <= (width, height))).all(axis=1)
    return np.asarray(places[int(np.argmax(inside))])
