"""Paths of objects over the frames of a video: pure functions of a few drawn numbers."""

from __future__ import annotations

import numpy as np


def folded(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Reflect values at `low` and `high` as often as needed, so that a straight path bounces inside.

    values: float, any shape. Returns the same shape within [low, high]. Needs low < high.
    """
    span = high - low
    return low + span - np.abs(np.mod(values - low, 2.0 * span) - span)


def straight_path(
    frames: int, anchor_px: np.ndarray, anchor_frame: float, velocity_px: np.ndarray
) -> np.ndarray:
    """Centres [frames, 2] (x, y) of an object that is at `anchor_px` in `anchor_frame`."""
    offset = np.arange(frames, dtype=np.float64) - anchor_frame
    return anchor_px[None, :] + offset[:, None] * velocity_px[None, :]


def sway(
    frames: int, anchor_frame: float, heading_rad: float, amplitude_px: float, phase_rad: float
) -> np.ndarray:
    """Sideways displacement [frames, 2] of a path, a sine of period 16 frames that is 0 at the anchor."""
    time = 2.0 * np.pi / 16.0 * (np.arange(frames, dtype=np.float64) - anchor_frame)
    size = amplitude_px * (np.sin(time + phase_rad) - np.sin(phase_rad))
    return size[:, None] * np.array([-np.sin(heading_rad), np.cos(heading_rad)])[None, :]


def away_weight(frames: int, first_away: int, away_frames: int, ramp_frames: int) -> np.ndarray:
    """How far an object is on its way out of the frame: [frames] in [0, 1], smooth, 1 while away."""
    time = np.arange(frames, dtype=np.float64)
    leaving = np.clip((time - (first_away - ramp_frames)) / ramp_frames, 0.0, 1.0)
    returning = np.clip((first_away + away_frames - 1 + ramp_frames - time) / ramp_frames, 0.0, 1.0)
    linear = np.minimum(leaving, returning)
    return linear * linear * (3.0 - 2.0 * linear)


def excursion(
    centres: np.ndarray, weight: np.ndarray, at_frame: int, outside_px: float, size_px: tuple[int, int]
) -> np.ndarray:
    """Move a path out through the edge that is nearest in one frame, at the start of the excursion say.

    centres: [frames, 2] (x, y). weight: [frames] of `away_weight`. at_frame: that frame. outside_px: distance
    beyond the edge at weight 1. size_px: (height, width). Returns centres [frames, 2].
    """
    height, width = size_px
    x, y = centres[min(max(at_frame, 0), len(centres) - 1)]
    _, axis, target = min(
        (float(x), 0, -outside_px),
        (float(width - x), 0, width + outside_px),
        (float(y), 1, -outside_px),
        (float(height - y), 1, height + outside_px),
    )
    moved = centres.copy()
    moved[:, axis] = (1.0 - weight) * centres[:, axis] + weight * target
    return moved


def scale_sweep(
    frames: int, low: float, high: float, half_period_frames: float, phase_rad: float
) -> np.ndarray:
    """Scale factor [frames] that moves between `low` and `high` along a cosine."""
    time = np.pi / half_period_frames * np.arange(frames, dtype=np.float64) + phase_rad
    return low + (high - low) * (0.5 - 0.5 * np.cos(time))


def background_pan(
    frames: int, amplitude_px: np.ndarray, period_frames: np.ndarray, phase_rad: np.ndarray
) -> np.ndarray:
    """Displacement [frames, 2] (x, y) of the background, a sine on each axis; arguments are [2]."""
    time = np.arange(frames, dtype=np.float64)[:, None]
    return amplitude_px[None, :] * np.sin(2.0 * np.pi * time / period_frames[None, :] + phase_rad[None, :])
