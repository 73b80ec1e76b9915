"""A small COCO-format set: polygons, crowd RLE, an image without annotations, classes that are not shared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from ytvis_files import rle

SIZE = (30, 40)
CATEGORIES = ({"id": 1, "name": "person"}, {"id": 44, "name": "bottle"}, {"id": 74, "name": "mouse"})


def rectangle(rows, columns):
    mask = np.zeros(SIZE, np.uint8)
    mask[rows[0] : rows[1], columns[0] : columns[1]] = 1
    return mask


def outline(top, bottom, left, right):
    return [left, top, right, top, right, bottom, left, bottom]


def annotation(number, image, category, segmentation, crowd=0):
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "iscrowd": crowd,
        "segmentation": segmentation,
        "bbox": [0, 0, 1, 1],
        "area": 1.0,
    }


def payload(categories=CATEGORIES):
    """Image 3 has a person of two polygons and a bottle; 5 nothing; 7 a person and a crowd; 8 a crowd only;
    9 a mouse, which YouTube-VIS's animal is not."""
    size = {"height": SIZE[0], "width": SIZE[1]}
    crowd = rectangle((0, 6), (0, 9))
    runs = {"size": list(SIZE), "counts": [0, *_runs(crowd)]}
    return {
        "images": [{"id": i, "file_name": f"{i:012d}.png", **size} for i in (3, 5, 7, 8, 9)],
        "categories": list(categories),
        "annotations": [
            annotation(11, 3, 1, [outline(10, 20, 8, 18), outline(10, 20, 24, 30)]),
            annotation(12, 3, 44, [outline(1, 4, 1, 4)]),
            annotation(13, 7, 1, rle(rectangle((5, 25), (5, 15)))),
            annotation(14, 7, 1, runs, crowd=1),
            annotation(15, 8, 1, runs, crowd=1),
            annotation(16, 9, 74, [outline(2, 9, 2, 9)]),
        ],
    }


def _runs(mask):
    """Lengths of runs, column by column; the mask starts with ones, after a run of zero zeros."""
    flat = mask.T.ravel()
    ends = np.flatnonzero(np.diff(flat)) + 1
    return np.diff([0, *ends, flat.size]).tolist()


def write_coco(folder: Path, content=None) -> Path:
    """COCO's folder layout; red is 6 times a pixel's column, green 8 times its row."""
    content = payload() if content is None else content
    images = folder / "train2017"
    images.mkdir(parents=True)
    rows, columns = np.indices(SIZE)
    for record in content["images"]:
        pixels = np.stack([6 * columns, 8 * rows, np.full(SIZE, record["id"])], axis=-1).astype(np.uint8)
        Image.fromarray(pixels).save(images / record["file_name"])
    path = folder / "annotations" / "instances_train2017.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content))
    return path
