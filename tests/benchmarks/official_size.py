"""Writes a truth file and a results file of the size of YouTube-VIS 2021, to measure the speed of scoring on.

421 videos of 720p, about 94,000 predicted masks, 125 MB of results JSON at the default arguments. The masks
are ellipses with a ragged edge, given by their runs: drawing a hundred thousand images would take minutes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

HEIGHT, WIDTH = 720, 1280
CATEGORIES = 40


@dataclass(frozen=True, slots=True)
class Corpus:
    """Where the two files are, and how many masks the results hold."""

    truth: Path
    results: Path
    masks: int


@dataclass(frozen=True, slots=True)
class _Ellipse:
    """A flat ellipse that moves: centre and velocity in pixels, half its width in pixels.

    step: standard deviation in pixels of the edge's random walk from column to column.
    """

    centre: np.ndarray
    velocity: np.ndarray
    half_width: float
    step: float

    def runs(self, frame: int, rng: np.random.Generator) -> list[int] | None:
        """Uncompressed column-major runs in one frame, None when it has left the image."""
        x0, y0 = self.centre + frame * self.velocity
        left, right = int(max(0, x0 - self.half_width)), int(min(WIDTH, x0 + self.half_width))
        if right - left < 4:
            return None
        columns = np.arange(left, right)
        walk = np.cumsum(rng.normal(0, self.step, (2, len(columns))), axis=1)
        walk -= walk.mean(axis=1, keepdims=True)
        inside = np.maximum(0.0, 1 - ((columns + 0.5 - x0) / self.half_width) ** 2)
        height = 0.45 * self.half_width * np.sqrt(inside)
        top = np.clip(np.rint(y0 - height + walk[0]), 1, HEIGHT - 3).astype(int)
        bottom = np.clip(np.rint(y0 + height + walk[1]), top + 1, HEIGHT - 1).astype(int)
        edges = np.stack([columns * HEIGHT + top, columns * HEIGHT + bottom], axis=1).ravel()
        return np.diff(np.concatenate([[0], edges, [HEIGHT * WIDTH]])).astype(int).tolist()


def random_ellipse(rng: np.random.Generator, scale: float = 1.0) -> _Ellipse:
    """An ellipse somewhere in the image, of 150 to 560 pixels half width, times `scale`."""
    return _Ellipse(
        rng.uniform((200, 150), (WIDTH - 200, HEIGHT - 150)),
        rng.uniform(-6, 6, 2),
        scale * float(rng.uniform(150, 560)),
        float(rng.uniform(1, 3)),
    )


def write_official_size(
    folder: Path, videos: int = 421, predictions: int = 8, categories: int = CATEGORIES, seed: int = 0
) -> Corpus:
    """Write `truth.json` and `results.json` below `folder`.

    predictions: tracks per video; each object of the truth is found by one of them, the others are wrong.
    categories: how many classes the tracks of one data set spread over.
    """
    rng = np.random.default_rng(seed)
    records, annotations, results, masks = [], [], [], 0
    for video in range(1, videos + 1):
        frames = int(rng.integers(20, 37))
        names = [f"{video:04d}/{t:05d}.jpg" for t in range(frames)]
        records.append({"id": video, "width": WIDTH, "height": HEIGHT, "length": frames, "file_names": names})
        present = rng.choice(np.arange(1, categories + 1), size=min(3, categories), replace=False)
        objects = int(rng.integers(1, 5))
        for k in range(predictions):
            ellipse = random_ellipse(rng)
            category = int(rng.choice(present))
            if k < objects:
                drawn = [ellipse.runs(t, rng) for t in range(frames)]
                annotations.append(truth_annotation(len(annotations) + 1, video, category, drawn))
            shifted = _Ellipse(
                ellipse.centre + rng.normal(0, 8, 2),
                ellipse.velocity,
                ellipse.half_width * 0.95,
                ellipse.step,
            )
            found = [None if rng.random() < 0.01 else _encode(shifted.runs(t, rng)) for t in range(frames)]
            masks += sum(mask is not None for mask in found)
            score = float(rng.uniform(0.3, 1.0) if k < objects else rng.uniform(0.0, 0.6))
            results.append(
                {"video_id": video, "category_id": category, "score": score, "segmentations": found}
            )
    named = [{"id": i, "name": f"class{i}"} for i in range(1, categories + 1)]
    truth = {"videos": records, "categories": named, "annotations": annotations}
    folder.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(folder / "truth.json", folder / "results.json", masks)
    corpus.truth.write_text(json.dumps(truth), encoding="utf-8")
    corpus.results.write_text(json.dumps(results), encoding="utf-8")
    return corpus


def _encode(runs: list[int] | None) -> dict[str, object] | None:
    if runs is None:
        return None
    mask = coco_mask.frPyObjects({"size": [HEIGHT, WIDTH], "counts": runs}, HEIGHT, WIDTH)
    return {"size": [HEIGHT, WIDTH], "counts": mask["counts"].decode("ascii")}


def truth_annotation(number: int, video: int, category: int, runs: list[list[int] | None]) -> dict:
    """One object. Masks are compressed: ragged edges have more runs than real truth, too many to list."""
    binary = [None if one is None else _encode(one) for one in runs]
    masks = [None if m is None else {**m, "counts": str(m["counts"]).encode()} for m in binary]
    return {
        "id": number,
        "video_id": video,
        "category_id": category,
        "iscrowd": 0,
        "height": HEIGHT,
        "width": WIDTH,
        "segmentations": binary,
        "bboxes": [None if m is None else coco_mask.toBbox(m).tolist() for m in masks],
        "areas": [None if m is None else float(coco_mask.area(m)) for m in masks],
    }
