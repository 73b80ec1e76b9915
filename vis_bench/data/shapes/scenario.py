"""Draw what happens in a video: which objects, their looks, paths and depth, the background, the camera."""

from __future__ import annotations

import colorsys
import math
import zlib
from dataclasses import dataclass

import numpy as np

from vis_bench.data.shapes import motion
from vis_bench.data.shapes.parameters import (
    CLASS_NAMES,
    FRAME_HEIGHT_PX,
    FRAME_WIDTH_PX,
    GENERATOR_SEED,
    TEXTURES,
    SetParameters,
)

# Of the objects that are planned to be late: enter after frame 3; the others leave and come back.
ENTERING_OF_LATE = 2 / 3


@dataclass(frozen=True, slots=True)
class Look:
    """What an object looks like. label: position in CLASS_NAMES; colours: [2, 3] RGB in [0, 1];
    texture: one of TEXTURES; periods: texture periods across the object."""

    label: int
    colours: np.ndarray
    texture: str
    periods: float

    def equals(self, other: Look) -> bool:
        """The same class, colours and texture."""
        return (
            self.label == other.label
            and self.texture == other.texture
            and np.array_equal(self.colours, other.colours)
        )


@dataclass(frozen=True, slots=True)
class ObjectPlan:
    """One object over all frames. centres_px: [frames, 2] (x, y); radii_px, angles_rad: [frames]."""

    look: Look
    centres_px: np.ndarray
    radii_px: np.ndarray
    angles_rad: np.ndarray


@dataclass(frozen=True, slots=True)
class BackgroundPlan:
    """The background. coarse, fine: random grids [h, w] in [0, 1] that are enlarged to smooth textures;
    colours: [3, 3] RGB in [0, 1], mixed by the textures; pan_px: [frames, 2] (x, y)."""

    coarse: np.ndarray
    fine: np.ndarray
    colours: np.ndarray
    pan_px: np.ndarray


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """Everything that is needed to render a video. objects: from the farthest to the nearest.

    streaks: [frames] direction of the motion-like blur of each frame: -1 none, 0 vertical, 1 horizontal.
    noise_seed: seeds of the noise of each frame, [frames].
    """

    size_px: tuple[int, int]
    objects: tuple[ObjectPlan, ...]
    background: BackgroundPlan
    blur_sigma_px: float
    streaks: np.ndarray
    noise_sigma: float
    noise_seeds: np.ndarray

    @property
    def frames(self) -> int:
        """Number of frames."""
        return len(self.streaks)


def random_generator(stream: str, *indices: int) -> np.random.Generator:
    """An own random stream for each name and indices, for example ("shapes/train", 7)."""
    seeds = (GENERATOR_SEED, zlib.crc32(stream.encode()), *indices)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seeds)))


def spread_choice(index: int, share: float, step: float) -> bool:
    """True for close to `share` of any run of indices; multiples of an irrational step fill [0, 1) evenly."""
    return math.fmod(index * step, 1.0) < share


def draw_video(parameters: SetParameters, frames: int, index: int, rng: np.random.Generator) -> VideoPlan:
    """Draw the video `index` of a set: objects, their motion, and the depth order.

    index only decides whether objects meet, whether two are alike and whether some are late, so that the
    shares promised by the parameters hold in every split and not only on average.
    """
    size_px = (FRAME_HEIGHT_PX, FRAME_WIDTH_PX)
    weights = np.array(parameters.object_weights)
    count = 1 + int(rng.choice(len(weights), p=weights / weights.sum()))
    alike = spread_choice(index, parameters.alike_share, (math.sqrt(5.0) - 1.0) / 2.0)
    meeting = spread_choice(index, parameters.meeting_share, math.sqrt(2.0) - 1.0)
    if alike or meeting:
        count = max(count, 2)
    late = 0
    if spread_choice(index, parameters.late_share, math.sqrt(3.0) - 1.0):
        late = int(rng.integers(parameters.late_objects[0], parameters.late_objects[1] + 1))
        # Somebody else is there meanwhile, and who meets another is not late.
        count = max(count, late + (2 if meeting else 1))
    looks = draw_looks(count, rng)
    if alike:
        looks = [looks[0] if i < 2 or parameters.all_alike else look for i, look in enumerate(looks)]
    pairs = min(parameters.meeting_pairs, (count - late) // 2) if meeting else 0
    # The order in which objects are paired is independent of the order that makes the first two alike.
    order = [int(i) for i in rng.permutation(count)]
    paths: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for pair in range(pairs):
        members = order[2 * pair : 2 * pair + 2]
        paths.update(zip(members, _meeting_paths(parameters, frames, size_px, rng), strict=True))
    for position, i in enumerate(order[2 * pairs :]):
        path = _late_path if position < late else _single_path
        paths[i] = path(parameters, frames, size_px, rng)
    objects = [_object(looks[i], *paths[i], rng) for i in range(count)]
    return VideoPlan(
        size_px=size_px,
        objects=tuple(objects[int(i)] for i in rng.permutation(count)),
        background=draw_background(frames, size_px, parameters.background_pan_px, rng),
        blur_sigma_px=float(rng.uniform(*parameters.blur_sigma_px)),
        streaks=np.where(rng.random(frames) < parameters.streak_share, rng.integers(0, 2, frames), -1),
        noise_sigma=float(rng.uniform(*parameters.noise_sigma)),
        noise_seeds=rng.integers(0, 2**32, frames),
    )


def draw_looks(count: int, rng: np.random.Generator) -> list[Look]:
    """Looks of `count` objects whose hues keep apart from each other; class and hue are independent."""
    hues = (rng.random() + (rng.permutation(count) + rng.uniform(-0.25, 0.25, count)) / count) % 1.0
    return [_draw_look(float(hue), rng) for hue in hues]


def _draw_look(hue: float, rng: np.random.Generator) -> Look:
    saturation, value = rng.uniform(0.65, 0.95), rng.uniform(0.8, 1.0)
    bright = colorsys.hsv_to_rgb(hue, saturation, value)
    related_hue = (hue + rng.choice((-1.0, 1.0)) * rng.uniform(0.02, 0.05)) % 1.0
    dark = colorsys.hsv_to_rgb(related_hue, min(1.0, saturation + 0.05), value * rng.uniform(0.55, 0.7))
    return Look(
        label=int(rng.integers(len(CLASS_NAMES))),
        colours=np.array([bright, dark], dtype=np.float32),
        texture=TEXTURES[int(rng.integers(len(TEXTURES)))],
        periods=float(rng.uniform(2.0, 3.2)),
    )


def draw_background(
    frames: int, size_px: tuple[int, int], pan_range_px: tuple[float, float], rng: np.random.Generator
) -> BackgroundPlan:
    """A smooth texture of three related, weakly saturated colours, that pans back and forth."""
    height, width = size_px
    hue = rng.random()
    level = rng.uniform(0.3, 0.6)
    colours = [
        colorsys.hsv_to_rgb((hue + shift) % 1.0, rng.uniform(0.05, 0.25), level * gain)
        for shift, gain in ((0.0, 1.0), (rng.uniform(-0.2, 0.2), 0.7), (rng.uniform(-0.2, 0.2), 1.35))
    ]
    pan_px = motion.background_pan(
        frames,
        amplitude_px=rng.uniform(*pan_range_px, 2),
        period_frames=rng.uniform(50.0, 90.0, 2),
        phase_rad=rng.uniform(0.0, 2.0 * np.pi, 2),
    )
    return BackgroundPlan(
        coarse=rng.random((height // 24 + 2, width // 24 + 2)),
        fine=rng.random((height // 8 + 4, width // 8 + 4)),
        colours=np.array(colours, dtype=np.float32),
        pan_px=pan_px,
    )


def _object(look: Look, centres: np.ndarray, radii: np.ndarray, rng: np.random.Generator) -> ObjectPlan:
    start, turn = rng.uniform(-0.5, 0.5), rng.uniform(-0.06, 0.06)
    return ObjectPlan(look, centres, radii, start + turn * np.arange(len(radii)))


def _heading(limit_rad: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(-limit_rad, limit_rad) + np.pi * rng.integers(2))


def _radii(parameters: SetParameters, frames: int, base_px: float, rng: np.random.Generator) -> np.ndarray:
    low, high = parameters.scale
    phase, half_period = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(14.0, 22.0)
    return base_px * motion.scale_sweep(frames, low, high, half_period, phase)


def _inside(centres: np.ndarray, radius_px: float, size_px: tuple[int, int]) -> np.ndarray:
    # Objects turn round when about a fifth of them is beyond the edge.
    height, width = size_px
    margin = 0.6 * radius_px
    columns = [motion.folded(centres[:, a], margin, s - margin) for a, s in ((0, width), (1, height))]
    return np.stack(columns, axis=1)


def _path(
    parameters: SetParameters,
    frames: int,
    anchor_px: np.ndarray,
    anchor_frame: float,
    heading: float,
    radius_px: float,
    size_px: tuple[int, int],
    rng: np.random.Generator,
) -> np.ndarray:
    velocity = rng.uniform(*parameters.speed_px) * np.array([np.cos(heading), np.sin(heading)])
    centres = motion.straight_path(frames, anchor_px, anchor_frame, velocity)
    amplitude, phase = rng.uniform(*parameters.sway_px), rng.uniform(0.0, 2.0 * np.pi)
    centres = centres + motion.sway(frames, anchor_frame, heading, amplitude, phase)
    return _inside(centres, radius_px, size_px)


def _meeting_paths(
    parameters: SetParameters, frames: int, size_px: tuple[int, int], rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Centres and radii of two objects of about one size whose centres are the same in one frame."""
    height, width = size_px
    base_px = rng.uniform(*parameters.radius_px)
    anchor = np.array([rng.uniform(0.25, 0.75) * width, rng.uniform(0.3, 0.7) * height])
    anchor_frame = float(rng.integers(frames // 4, frames - frames // 4))
    first = _heading(parameters.heading_rad, rng)
    radii = _radii(parameters, frames, base_px, rng)
    result = []
    for heading in (first, first + np.pi + rng.uniform(-0.6, 0.6)):
        own = radii * rng.uniform(0.94, 1.06)
        centres = _path(parameters, frames, anchor, anchor_frame, heading, base_px, size_px, rng)
        result.append((centres, own))
    return result


def _own_path(
    parameters: SetParameters, frames: int, size_px: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Centres and radii of an object that meets no other by plan and stays in the frame."""
    height, width = size_px
    base_px = rng.uniform(*parameters.radius_px)
    anchor = np.array([rng.uniform(0.1, 0.9) * width, rng.uniform(0.15, 0.85) * height])
    heading = _heading(parameters.heading_rad, rng)
    centres = _path(parameters, frames, anchor, (frames - 1) / 2.0, heading, base_px, size_px, rng)
    return centres, _radii(parameters, frames, base_px, rng)


def _late_path(
    parameters: SetParameters, frames: int, size_px: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Centres and radii of an object that enters after frame 3, or comes back after three frames or more.

    In the last frame but one it is at least half way back to its path. Needs 12 frames or more.
    """
    centres, radii = _own_path(parameters, frames, size_px, rng)
    if rng.random() < ENTERING_OF_LATE:
        first_away, away = 0, int(rng.integers(4, frames - 4))
    else:
        low, high = parameters.absent_frames
        away = int(rng.integers(low, min(high, frames - 6) + 1))
        # In frame 0 most of the way out is still to go, and three frames are left for the way back.
        first_away = int(rng.integers(3, frames - 2 - away))
    weight = motion.away_weight(frames, first_away, away, parameters.ramp_frames)
    outside_px = 1.3 * float(radii.max())
    return motion.excursion(centres, weight, first_away + away, outside_px, size_px), radii


def _single_path(
    parameters: SetParameters, frames: int, size_px: tuple[int, int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Centres and radii of an object of its own, which may leave the frame and come back."""
    centres, radii = _own_path(parameters, frames, size_px, rng)
    if rng.random() >= parameters.excursion_share:
        return centres, radii
    stretches = max(1, round(frames / parameters.excursion_every_frames))
    for stretch in range(stretches):
        away = int(rng.integers(parameters.away_frames[0], parameters.away_frames[1] + 1))
        start, end = stretch * frames // stretches, (stretch + 1) * frames // stretches
        # Early draws make an object that enters, late draws one that leaves, the others come back.
        first_away = int(rng.integers(start, end - away + 1))
        weight = motion.away_weight(frames, first_away, away, parameters.ramp_frames)
        centres = motion.excursion(centres, weight, first_away, 1.3 * float(radii.max()), size_px)
    return centres, radii
