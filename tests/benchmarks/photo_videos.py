"""Writes a small training set of 720p frames that cost about as much to decode as photographs do.

A frame is smooth texture of several scales that drifts, with fine noise like a sensor's, as JPEG of quality
90 with 4:2:0 chroma: about 130 kB, 1.1 bits a pixel. The objects are ellipses with a ragged edge
(`official_size`).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from official_size import HEIGHT, WIDTH, random_ellipse, truth_annotation
from PIL import Image

QUALITY = 90
# height of a texture's grid in cells, and its amplitude of 255
_SCALES = ((3, 70.0), (9, 30.0), (30, 14.0), (120, 6.0))
_NOISE = 2.0


def write_photo_videos(
    folder: Path, videos: int = 6, frames: int = 12, objects: int = 3, seed: int = 0
) -> Path:
    """Write `train/instances_train.json` and `train/JPEGImages` below `folder`; returns `folder`.

    objects: in each video; all are in the picture in most frames.
    """
    rng = np.random.default_rng(seed)
    records, annotations = [], []
    for video in range(1, videos + 1):
        names = [f"{video:04d}/{t:05d}.jpg" for t in range(frames)]
        records.append({"id": video, "width": WIDTH, "height": HEIGHT, "length": frames, "file_names": names})
        place = folder / "train" / "JPEGImages" / f"{video:04d}"
        place.mkdir(parents=True, exist_ok=True)
        texture = _texture(rng, HEIGHT + 4 * frames, WIDTH + 4 * frames)
        for t in range(frames):
            shown = texture[4 * t : 4 * t + HEIGHT, 4 * t : 4 * t + WIDTH]
            noisy = shown + rng.normal(0, _NOISE, (HEIGHT, WIDTH, 3)).astype(np.float32)
            picture = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
            picture.save(place / f"{t:05d}.jpg", quality=QUALITY)
        for _ in range(objects):
            ellipse = random_ellipse(rng)
            drawn = [ellipse.runs(t, rng) for t in range(frames)]
            annotations.append(truth_annotation(len(annotations) + 1, video, int(rng.integers(1, 41)), drawn))
    named = [{"id": i, "name": f"class{i}"} for i in range(1, 41)]
    value = {"videos": records, "categories": named, "annotations": annotations}
    (folder / "train" / "instances_train.json").write_text(json.dumps(value), encoding="utf-8")
    return folder


def _texture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """[height, width, 3] float32 around 128: grids of random values, each enlarged smoothly."""
    total = np.full((height, width, 3), 128, dtype=np.float32)
    for cells, amplitude in _SCALES:
        for channel in range(3):
            # a photograph's colours go together
            strength = amplitude * (1.0 if channel == 1 else 0.8)
            grid = rng.normal(0, strength, (cells, cells * width // height)).astype(np.float32)
            enlarged = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
            total[..., channel] += np.asarray(enlarged)
    return total
