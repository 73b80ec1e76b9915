"""`YTVOS`: annotations and results with the methods and attributes of youtubevos/cocoapi."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from pycocotools import mask as coco_mask

from vis_bench.errors import DataError
from vis_bench.files import read_json

Ids = int | Sequence[int] | np.ndarray
Names = str | Sequence[str]


class YTVOS:
    """Annotations in the YouTube-VIS format, found by id.

    dataset: the content of the file. anns, cats, vids: records by id. vidToAnns: annotations by video id.
    catToVids: video ids by category id. Names and arguments are those of the official class; inputs are never
    changed. Source: youtubevos/cocoapi, `pycocotools/ytvos.py`.
    """

    def __init__(self, annotation_file: str | Path | None = None) -> None:
        self.dataset: dict[str, Any] = {}
        if annotation_file is not None:
            content = read_json(Path(annotation_file))
            if not isinstance(content, dict):
                raise DataError(
                    f"{annotation_file}: an annotation file is an object with `videos`, `categories` and "
                    f"`annotations`, found {type(content).__name__}."
                )
            self.dataset = content
        self.createIndex()

    def createIndex(self) -> None:
        """Read `dataset` anew into the indices."""
        annotations = self.dataset.get("annotations") or []
        self.anns = {one["id"]: one for one in annotations}
        self.vids = {one["id"]: one for one in self.dataset.get("videos", [])}
        self.cats = {one["id"]: one for one in self.dataset.get("categories", [])}
        self.vidToAnns: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self.catToVids: dict[int, list[int]] = defaultdict(list)
        for one in annotations:
            self.vidToAnns[one["video_id"]].append(one)
            self.catToVids[one["category_id"]].append(one["video_id"])

    def info(self) -> None:
        """Print what the file says about itself."""
        for key, value in (self.dataset.get("info") or {}).items():
            print(f"{key}: {value}")

    def getAnnIds(
        self,
        vidIds: Ids = (),
        catIds: Ids = (),
        areaRng: Sequence[float] = (),
        iscrowd: bool | None = None,
    ) -> list[int]:
        """Ids of the annotations of these videos and categories; areaRng: of the mean area, ends left out."""
        videos, categories = _listed(vidIds), set(_listed(catIds))
        found = self.dataset.get("annotations") or []
        if videos:
            found = [one for video in videos for one in self.vidToAnns.get(video, ())]
        return [
            one["id"]
            for one in found
            if (not categories or one["category_id"] in categories)
            and (not len(areaRng) or areaRng[0] < _mean_area(one) < areaRng[1])
            and (iscrowd is None or one.get("iscrowd", 0) == iscrowd)
        ]

    def getCatIds(self, catNms: Names = (), supNms: Names = (), catIds: Ids = ()) -> list[int]:
        """Ids of the categories of these names, supercategories and ids."""
        names = {catNms} if isinstance(catNms, str) else set(catNms)
        above = {supNms} if isinstance(supNms, str) else set(supNms)
        ids = set(_listed(catIds))
        return [
            one["id"]
            for one in self.dataset.get("categories", [])
            if (not names or one["name"] in names)
            and (not above or one.get("supercategory") in above)
            and (not ids or one["id"] in ids)
        ]

    def getVidIds(self, vidIds: Ids = (), catIds: Ids = ()) -> list[int]:
        """Ids of the videos among vidIds that hold an object of every one of catIds; all for nothing."""
        videos, categories = set(_listed(vidIds)), _listed(catIds)
        if not videos and not categories:
            return list(self.vids)
        for category in categories:
            holding = set(self.catToVids.get(category, ()))
            videos = videos & holding if videos else holding
        return list(videos)

    def loadAnns(self, ids: Ids = ()) -> list[dict[str, Any]]:
        """Annotations by id."""
        return [self.anns[one] for one in _listed(ids)]

    def loadCats(self, ids: Ids = ()) -> list[dict[str, Any]]:
        """Categories by id."""
        return [self.cats[one] for one in _listed(ids)]

    def loadVids(self, ids: Ids = ()) -> list[dict[str, Any]]:
        """Videos by id."""
        return [self.vids[one] for one in _listed(ids)]

    def loadRes(self, resFile: str | Path | Sequence[Mapping[str, Any]]) -> Self:
        """The same videos and categories with predictions as annotations, numbered from 1.

        resFile: a results file, or its content. Raises DataError for anything but a list of tracks and for
        videos that the annotations do not have.
        """
        content = read_json(Path(resFile)) if isinstance(resFile, str | Path) else resFile
        where = str(resFile) if isinstance(resFile, str | Path) else "results"
        if not isinstance(content, Sequence) or isinstance(content, str):
            raise DataError(f"{where}: must be a list of tracks, found {type(content).__name__}.")
        strangers = sorted({one["video_id"] for one in content} - set(self.vids))
        if strangers:
            raise DataError(f"{where}: video {strangers[0]} is not in the annotations.")
        result = type(self)()
        result.dataset = {
            "videos": list(self.dataset.get("videos", [])),
            "categories": copy.deepcopy(self.dataset.get("categories", [])),
            "annotations": [_as_annotation(one, number) for number, one in enumerate(content, start=1)],
        }
        result.createIndex()
        return result

    def annToRLE(self, ann: Mapping[str, Any], frameId: int) -> dict[str, Any]:
        """The mask of one frame (0-based) as compressed RLE, from polygons, runs or RLE."""
        video, mask = self.vids[ann["video_id"]], ann["segmentations"][frameId]
        if isinstance(mask, list):
            return coco_mask.merge(coco_mask.frPyObjects(mask, video["height"], video["width"]))
        if isinstance(mask["counts"], list):
            return coco_mask.frPyObjects(mask, video["height"], video["width"])
        return mask

    def annToMask(self, ann: Mapping[str, Any], frameId: int) -> np.ndarray:
        """The same as pixels: [height, width] uint8."""
        return coco_mask.decode(self.annToRLE(ann, frameId))


def _listed(ids: Ids) -> list[int]:
    return [int(ids)] if isinstance(ids, int | np.integer) else [int(one) for one in ids]


def _mean_area(annotation: Mapping[str, Any]) -> float:
    positive = [area for area in annotation.get("areas", ()) if area]
    return float(np.mean(positive)) if positive else 0.0


def _as_annotation(track: Mapping[str, Any], number: int) -> dict[str, Any]:
    masks = track.get("segmentations") or []
    areas = [int(coco_mask.area(mask)) if mask else None for mask in masks]
    boxes = track.get("bboxes") or [coco_mask.toBbox(mask).tolist() if mask else None for mask in masks]
    result = {**track, "id": number, "iscrowd": 0, "areas": areas, "bboxes": boxes}
    return {**result, "avg_area": _mean_area(result)}
