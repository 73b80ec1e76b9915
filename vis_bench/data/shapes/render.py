"""Draw the frames of a planned video, and which object owns each pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from vis_bench.data.shapes.outline import OUTLINES, REACH
from vis_bench.data.shapes.parameters import CLASS_NAMES
from vis_bench.data.shapes.scenario import BackgroundPlan, Look, VideoPlan

NOBODY = -1


@dataclass(frozen=True, slots=True)
class RenderedVideo:
    """frames: uint8 [T, H, W, 3] RGB. owners: int8 [T, H, W], position of the visible object or NOBODY.

    whole_px: int [n, T], pixels of each object inside the frame as if nothing were in front of it.
    """

    frames: np.ndarray
    owners: np.ndarray
    whole_px: np.ndarray


def render_video(plan: VideoPlan) -> RenderedVideo:
    """Render all frames of a video. Objects are painted from the farthest to the nearest."""
    height, width = plan.size_px
    canvas = background_canvas(plan.background, plan.size_px)
    frames = np.empty((plan.frames, height, width, 3), dtype=np.uint8)
    owners = np.full((plan.frames, height, width), NOBODY, dtype=np.int8)
    whole_px = np.zeros((len(plan.objects), plan.frames), dtype=np.int64)
    for t in range(plan.frames):
        image = background_frame(canvas, plan.background, t, plan.size_px)
        for i, item in enumerate(plan.objects):
            centre, radius, angle = item.centres_px[t], float(item.radii_px[t]), float(item.angles_rad[t])
            whole_px[i, t] = _paint(image, owners[t], i, item.look, centre, radius, angle)
        frames[t] = _camera(image, plan, t)
    return RenderedVideo(frames, owners, whole_px)


def background_canvas(plan: BackgroundPlan, size_px: tuple[int, int]) -> np.ndarray:
    """The whole background, float32 [H + 2 m, W + 2 m, 3] in [0, 1], where m holds the largest pan."""
    margin = _pan_margin(plan)
    shape = (size_px[1] + 2 * margin, size_px[0] + 2 * margin)
    coarse, fine = (_enlarged(grid, shape) for grid in (plan.coarse, plan.fine))
    base, dark, light = plan.colours
    mixed = base + coarse[..., None] * (dark - base) * 0.9
    return mixed + (fine[..., None] - 0.5) * (light - dark) * 0.5


def background_frame(
    canvas: np.ndarray, plan: BackgroundPlan, frame: int, size_px: tuple[int, int]
) -> np.ndarray:
    """The part of the background seen in one frame, float32 [H, W, 3], bilinear between pixels."""
    margin = _pan_margin(plan)
    height, width = size_px
    x, y = plan.pan_px[frame] + margin
    column, row = int(np.floor(x)), int(np.floor(y))
    right, down = np.float32(x - column), np.float32(y - row)
    part = canvas[row : row + height + 1, column : column + width + 1]
    part = part[:-1] * (1 - down) + part[1:] * down
    return part[:, :-1] * (1 - right) + part[:, 1:] * right


def _pan_margin(plan: BackgroundPlan) -> int:
    return int(np.ceil(np.abs(plan.pan_px).max())) + 1


def _enlarged(grid: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return np.asarray(Image.fromarray(grid.astype(np.float32)).resize(shape, Image.Resampling.BICUBIC))


def _paint(
    image: np.ndarray,
    owners: np.ndarray,
    position: int,
    look: Look,
    centre_px: np.ndarray,
    radius_px: float,
    angle_rad: float,
) -> int:
    """Paint one object into image [H, W, 3] and owners [H, W]; return its pixels inside the frame."""
    height, width = owners.shape
    reach = REACH * radius_px + 1.0
    left, right = max(0, int(centre_px[0] - reach)), min(width, int(centre_px[0] + reach) + 2)
    top, bottom = max(0, int(centre_px[1] - reach)), min(height, int(centre_px[1] + reach) + 2)
    if left >= right or top >= bottom:
        return 0
    x = (np.arange(left, right) - centre_px[0])[None, :] / radius_px
    y = (np.arange(top, bottom) - centre_px[1])[:, None] / radius_px
    cosine, sine = np.cos(angle_rad), np.sin(angle_rad)
    u, v = cosine * x + sine * y, cosine * y - sine * x
    depth_px = -radius_px * OUTLINES[CLASS_NAMES[look.label]](u, v)
    # One pixel wide edge: the part of a pixel that lies inside a straight outline at this distance.
    coverage = np.clip(depth_px + 0.5, 0.0, 1.0)
    inside = coverage > 0.5
    mix = _texture(look, u, v)[..., None]
    # A darker rim keeps two alike objects apart where one covers the other.
    rim = (1.0 - 0.45 * np.exp(-np.square(np.maximum(depth_px, 0.0) / 1.5)))[..., None]
    colour = (look.colours[0] * mix + look.colours[1] * (1.0 - mix)) * rim
    window = image[top:bottom, left:right]
    window += coverage[..., None] * (colour - window)
    owners[top:bottom, left:right][inside] = position
    return int(inside.sum())


def _texture(look: Look, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Share of the first colour, [h, w] in [0, 1]; u, v: coordinates of the object in radii."""
    if look.texture == "gradient":
        return np.clip(0.5 + 0.55 * v, 0.0, 1.0)
    wave = np.sin(np.pi * look.periods * u)
    if look.texture == "checks":
        wave = wave * np.sin(np.pi * look.periods * v)
    return np.clip(0.5 + 1.2 * wave, 0.0, 1.0)


def _camera(image: np.ndarray, plan: VideoPlan, frame: int) -> np.ndarray:
    """Blur, noise and rounding: float [H, W, 3] in about [0, 1] to uint8."""
    for axis in (0, 1):
        image = ndimage.gaussian_filter1d(image, plan.blur_sigma_px, axis=axis, truncate=2.5)
    if plan.streaks[frame] >= 0:
        image = ndimage.uniform_filter1d(image, 3, axis=int(plan.streaks[frame]))
    noise = np.random.Generator(np.random.PCG64(int(plan.noise_seeds[frame])))
    grey = noise.standard_normal(image.shape, dtype=np.float32) * np.float32(plan.noise_sigma)
    return np.clip(np.rint(image * 255.0 + grey), 0, 255).astype(np.uint8)
