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

    step: standard deviation in pixels of the edge's random walk from column to column. size: (height, width)
    of the image.
    """

    centre: np.ndarray
    velocity: np.ndarray
    half_width: float
    step: float
    size: tuple[int, int] = (HEIGHT, WIDTH)

    def runs(self, frame: int, rng: np.random.Generator) -> list[int] | None:
        """Uncompressed column-major runs in one frame, None when it has left the image."""
        x0, y0 = self.centre + frame * self.velocity
        rows, width = self.size
        left, right = int(max(0, x0 - self.half_width)), int(min(width, x0 + self.half_width))
        if right - left < 4:
            return None
        columns = np.arange(left, right)
        walk = np.cumsum(rng.normal(0, self.step, (2, len(columns))), axis=1)
        walk -= walk.mean(axis=1, keepdims=True)
        inside = np.maximum(0.0, 1 - ((columns + 0.5 - x0) / self.half_width) ** 2)
        height = 0.45 * self.half_width * np.sqrt(inside)
        top = np.clip(np.rint(y0 - height + walk[0]), 1, rows - 3).astype(int)
        bottom = np.clip(np.rint(y0 + height + walk[1]), top + 1, rows - 1).astype(int)
        edges = np.stack([columns * rows + top, columns * rows + bottom], axis=1).ravel()
        return np.diff(np.concatenate([[0], edges, [rows * width]])).astype(int).tolist()


def random_ellipse(
    rng: np.random.Generator, scale: float = 1.0, size: tuple[int, int] = (HEIGHT, WIDTH), speed: float = 6.0
) -> _Ellipse:
    """An ellipse somewhere in the image, of 150 to 560 pixels half width, times `scale`.

    speed: most pixels per frame in x and in y.
    """
    return _Ellipse(
        rng.uniform((200, 150), (size[1] - 200, size[0] - 150)),
        rng.uniform(-speed, speed, 2),
        scale * float(rng.uniform(150, 560)),
        float(rng.uniform(1, 3)),
        size,
    )


def write_official_size(
    folder: Path,
    videos: int = 421,
    predictions: int = 8,
    categories: int = CATEGORIES,
    seed: int = 0,
    *,
    frames: tuple[int, int] = (20, 36),
    objects: tuple[int, int] = (1, 4),
    size: tuple[int, int] = (HEIGHT, WIDTH),
    scale: float = 1.0,
    speed: float = 6.0,
    copies: int = 1,
) -> Corpus:
    """Write `truth.json` and `results.json` below `folder`.

    predictions: tracks per video; each object of the truth is found by one of them, the others are wrong.
    categories: how many classes the tracks of one data set spread over. frames, objects: least and most of a
    video. size, scale, speed: of images and ellipses, as in `random_ellipse`. copies: how often all is there,
    each time under other ids.
    """
    rng = np.random.default_rng(seed)
    records, annotations, results, masks = [], [], [], 0
    for video in range(1, videos + 1):
        length = int(rng.integers(frames[0], frames[1] + 1))
        names = [f"{video:04d}/{t:05d}.jpg" for t in range(length)]
        records.append(
            {"id": video, "width": size[1], "height": size[0], "length": length, "file_names": names}
        )
        present = rng.choice(np.arange(1, categories + 1), size=min(3, categories), replace=False)
        true = int(rng.integers(objects[0], objects[1] + 1))
        for k in range(predictions):
            ellipse = random_ellipse(rng, scale, size, speed)
            category = int(rng.choice(present))
            if k < true:
                drawn = [ellipse.runs(t, rng) for t in range(length)]
                annotations.append(truth_annotation(len(annotations) + 1, video, category, drawn, size))
            shifted = _Ellipse(
                ellipse.centre + rng.normal(0, 8, 2),
                ellipse.velocity,
                ellipse.half_width * 0.95,
                ellipse.step,
                size,
            )
            found = [
                None if rng.random() < 0.01 else _encode(shifted.runs(t, rng), size) for t in range(length)
            ]
            masks += sum(mask is not None for mask in found)
            score = float(rng.uniform(0.3, 1.0) if k < true else rng.uniform(0.0, 0.6))
            results.append(
                {"video_id": video, "category_id": category, "score": score, "segmentations": found}
            )
    named = [{"id": i, "name": f"class{i}"} for i in range(1, categories + 1)]
    truth = {
        "videos": _repeated(records, copies, id=videos),
        "categories": named,
        "annotations": _repeated(annotations, copies, id=len(annotations), video_id=videos),
    }
    results = _repeated(results, copies, video_id=videos)
    folder.mkdir(parents=True, exist_ok=True)
    corpus = Corpus(folder / "truth.json", folder / "results.json", copies * masks)
    corpus.truth.write_text(json.dumps(truth), encoding="utf-8")
    corpus.results.write_text(json.dumps(results), encoding="utf-8")
    return corpus


def frame_files(truth: Path, results: Path) -> tuple[Path, Path]:
    """Where `write_frames` puts its two files."""
    return truth.with_name("frames_truth.json"), results.with_name("frames_results.json")


def write_frames(corpus: Corpus) -> None:
    """The same masks as in COCO: a frame is an image, a mask a detection with the score of its track."""
    truth = json.loads(corpus.truth.read_text(encoding="utf-8"))
    images: list[dict] = []
    before: dict[int, int] = {}
    for video in truth["videos"]:
        before[video["id"]] = len(images)
        for name in video["file_names"]:
            size = {"width": video["width"], "height": video["height"]}
            images.append({"id": len(images) + 1, **size, "file_name": name})
    annotations = [
        {
            "id": 0,
            "image_id": before[one["video_id"]] + t + 1,
            "category_id": one["category_id"],
            "iscrowd": 0,
            "segmentation": mask,
            "area": one["areas"][t],
            "bbox": one["bboxes"][t],
        }
        for one in truth["annotations"]
        for t, mask in enumerate(one["segmentations"])
        if mask is not None
    ]
    annotations = [{**one, "id": number} for number, one in enumerate(annotations, start=1)]
    detections = [
        {
            "image_id": before[one["video_id"]] + t + 1,
            "category_id": one["category_id"],
            "score": one["score"],
            "segmentation": mask,
        }
        for one in json.loads(corpus.results.read_text(encoding="utf-8"))
        for t, mask in enumerate(one["segmentations"])
        if mask is not None
    ]
    truth_file, results_file = frame_files(corpus.truth, corpus.results)
    content = {"images": images, "categories": truth["categories"], "annotations": annotations}
    truth_file.write_text(json.dumps(content), encoding="utf-8")
    results_file.write_text(json.dumps(detections), encoding="utf-8")


def _repeated(records: list[dict], copies: int, **shifts: int) -> list[dict]:
    """Copies behind one another, with ids that go on by `shifts` from copy to copy."""
    return [
        {**one, **{key: one[key] + copy * shift for key, shift in shifts.items()}}
        for copy in range(copies)
        for one in records
    ]


def _encode(runs: list[int] | None, size: tuple[int, int]) -> dict[str, object] | None:
    if runs is None:
        return None
    mask = coco_mask.frPyObjects({"size": list(size), "counts": runs}, *size)
    return {"size": list(size), "counts": mask["counts"].decode("ascii")}


def truth_annotation(
    number: int,
    video: int,
    category: int,
    runs: list[list[int] | None],
    size: tuple[int, int] = (HEIGHT, WIDTH),
) -> dict:
    """One object. Masks are compressed: ragged edges have more runs than real truth, too many to list."""
    binary = [_encode(one, size) for one in runs]
    masks = [None if m is None else {**m, "counts": str(m["counts"]).encode()} for m in binary]
    return {
        "id": number,
        "video_id": video,
        "category_id": category,
        "iscrowd": 0,
        "height": size[0],
        "width": size[1],
        "segmentations": binary,
        "bboxes": [None if m is None else coco_mask.toBbox(m).tolist() for m in masks],
        "areas": [None if m is None else float(coco_mask.area(m)) for m in masks],
    }
