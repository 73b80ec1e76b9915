"""Our data sets in DatasetCatalog and MetadataCatalog, for training and testing in detectron2's scripts."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vis_bench.data import catalog
from vis_bench.data.frames import image_root_of
from vis_bench.errors import UsageError
from vis_bench.integrations.detectron2.install import make_importable
from vis_bench.masks.rle import has_pixels, tight_box
from vis_bench.types import Dataset, TruthTrack

PREFIX = "vis_bench_"


def register(
    dataset: str | Path,
    splits: Sequence[str] | None = None,
    data_root: str | Path | None = None,
    *,
    name: str | None = None,
) -> tuple[str, ...]:
    """Make a data set known to detectron2 as `vis_bench_NAME_SPLIT`; videos are read when they are asked for.

    dataset: name or path, as every command takes it. splits: None for every one that the data set has (an
    official one below its root). name: stands in the names in place of that of the data set. Returns the
    names, in the order of the splits. Their records are those of
    Mask2Former-VIS: one per video with `file_names`, `height`, `width`, `length`, `video_id` and, where the
    truth is public, `annotations`: per frame the objects that are there, with `id`, `bbox` (XYWH_ABS),
    `category_id` (0-based) and `segmentation` (compressed run lengths). Their metadata have `thing_classes`,
    `thing_dataset_id_to_contiguous_id` and `evaluator_type` "ytvis".

    What is registered already is left as it is, if it is the same. Raises UsageError for another data set of
    one name, and what opening the data set raises.
    """
    make_importable()
    from detectron2.data import DatasetCatalog, MetadataCatalog

    place = None if data_root is None else Path(data_root)
    found = []
    for split in splits or catalog.split_names(str(dataset), place):
        full = f"{PREFIX}{name or Path(str(dataset)).name}_{split}"
        source = {"dataset": str(dataset), "split": split, "data_root": None if place is None else str(place)}
        known = (
            getattr(MetadataCatalog.get(full), "vis_bench", None) if full in MetadataCatalog.list() else None
        )
        if known is not None and known != source:
            raise UsageError(f"{full}: is registered for {known['dataset']}. Give this one another name=.")
        if known is None:
            _describe(full, source)
            DatasetCatalog.register(full, functools.partial(records, source))
        found.append(full)
    return tuple(found)


def open_registered(name: str) -> Dataset:
    """The data set behind a name that `register` gave. Raises UsageError for any other name."""
    from detectron2.data import MetadataCatalog

    source = getattr(MetadataCatalog.get(name), "vis_bench", None)
    if source is None:
        raise UsageError(f"{name!r} was not registered by vis_bench.integrations.detectron2.register().")
    return _open(source)


def records(source: dict[str, Any]) -> list[dict[str, Any]]:
    """One record per video, as `register` says."""
    opened = _open(source)
    root = image_root_of(opened)
    return [
        {
            "file_names": [str(root / file) for file in video.file_names],
            "height": video.height,
            "width": video.width,
            "length": video.length,
            "video_id": video.id,
            **(
                {}
                if opened.tracks is None
                else {
                    "annotations": [
                        [
                            _annotation(track, frame, opened)
                            for track in opened.tracks_by_video[video.id]
                            if has_pixels(track.segmentations[frame])
                        ]
                        for frame in range(video.length)
                    ]
                }
            ),
        }
        for video in opened.videos
    ]


def _annotation(track: TruthTrack, frame: int, dataset: Dataset) -> dict[str, Any]:
    from detectron2.structures import BoxMode

    mask, box = track.segmentations[frame], track.boxes[frame]
    assert mask is not None
    return {
        "id": track.id,
        "bbox": list(tight_box(mask) if box is None else box),
        "bbox_mode": BoxMode.XYWH_ABS,
        "category_id": dataset.label_of_category[track.category_id],
        "iscrowd": int(track.is_crowd),
        "segmentation": {"size": list(mask["size"]), "counts": mask["counts"]},
    }


def _open(source: dict[str, Any]) -> Dataset:
    root = source["data_root"]
    return catalog.open_dataset(source["dataset"], source["split"], None if root is None else Path(root))


def _describe(name: str, source: dict[str, Any]) -> None:
    """Set the metadata. A data set whose classes are known by its name needs nothing on disk for it."""
    from detectron2.data import MetadataCatalog

    try:
        names: Sequence[str] = catalog.class_names(source["dataset"])
        ids: Sequence[int] = range(1, len(names) + 1)
    except UsageError:  # a path, or an official one whose classes stand in its file alone
        opened = _open(source)
        names = [category.name for category in opened.categories]
        ids = [category.id for category in opened.categories]
    MetadataCatalog.get(name).set(
        thing_classes=list(names),
        thing_dataset_id_to_contiguous_id={number: label for label, number in enumerate(ids)},
        evaluator_type="ytvis",
        vis_bench=source,
    )
