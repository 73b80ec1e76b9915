"""COCO images as training data: every image is a video of one frame, with the target dataset's categories.

    image       {id, width, height, file_name}
    category    {id, name}
    annotation  {id, image_id, category_id, iscrowd, segmentation: polygons | RLE}

Fields not named here are ignored. Source: COCO data format; InsPro Table 1 (images of the shared categories).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vis_bench.data.official import plain
from vis_bench.data.records import (
    paused_garbage_collection,
    read_json_and_hash,
    require_int,
    require_list,
    require_object,
    require_text,
)
from vis_bench.data.segmentations import SegmentationBatch
from vis_bench.data.splits import split_hash
from vis_bench.data.stored import packed_copy
from vis_bench.data.ytvis import check_file_name, check_size
from vis_bench.errors import DataError
from vis_bench.masks.rle import tight_box
from vis_bench.types import Category, Dataset, Rle, TruthTrack, Video

# COCO's name -> names that mean the same, or contain it, in YouTube-VIS and OVIS ("Vehical" is OVIS's
# spelling). Public code also calls a bicycle a motorbike and skis a snowboard; those are other things.
ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "motorcycle": ("motorbike",),
        "car": ("sedan", "Vehical"),
        "bus": ("Vehical",),
        "truck": ("Vehical",),
        "frisbee": ("flying_disc",),
    }
)
# equal names, other things: COCO's mouse belongs to a computer
HOMONYMS = frozenset({"mouse"})


def shared_categories(coco: Sequence[Category], target: Sequence[Category]) -> dict[int, int]:
    """Category id in COCO -> id in the target, for the classes that both have.

    By equal names, whatever their case and punctuation, else by ALIASES; never for HOMONYMS.
    """
    by_name = {plain(category.name): category.id for category in target}
    shared = {}
    for category in coco:
        if category.name in HOMONYMS:
            continue
        for name in (category.name, *ALIASES.get(category.name, ())):
            if plain(name) in by_name:
                shared[category.id] = by_name[plain(name)]
                break
    return shared


def open_coco(
    path: Path, categories: Sequence[Category] | None = None, image_root: Path | None = None
) -> Dataset:
    """Images with at least one object of a shared category, as videos of one frame.

    path: an annotation file (`instances_train2017.json`, also gzip), or COCO's folder with that file under
    `annotations`. categories: of the dataset that is trained for; objects of other classes are left out. None
    keeps COCO's own, all of them.
    image_root: folder of the images; None looks for `train2017` (from the file's name) and `images` beside
    the annotation file and beside its folder. Crowd regions are kept as such.

    Raises DataError for missing or malformed data and when no class is shared.
    """
    annotations = _annotation_file(path)
    name = annotations.name.removesuffix(".gz").removesuffix(".json")
    split = name.removeprefix("instances_")
    if image_root is None:
        image_root = _image_root(annotations, split)
    elif not image_root.is_dir():
        raise DataError(f"{image_root}: no such folder of COCO images.")
    with paused_garbage_collection():
        payload, annotation_hash = read_json_and_hash(annotations)
        where = str(annotations)
        record = require_object(payload, where)
        images = _read_images(require_list(record, "images", where), where)
        found = _read_categories(require_list(record, "categories", where), where)
        if categories is None:
            categories, shared = found, {category.id: category.id for category in found}
        else:
            shared = shared_categories(found, categories)
        if not shared:
            raise DataError(
                f"{where}: none of its {len(found)} classes is among those trained for "
                f"({', '.join(category.name for category in categories[:5])} ...)."
            )
        tracks = _read_objects(require_list(record, "annotations", where), images, found, shared, where)
    used = {track.video_id for track in tracks if not track.is_crowd}
    videos = tuple(image for image in images.values() if image.id in used)
    dataset = Dataset(
        name="coco",
        split=split,
        videos=videos,
        categories=tuple(categories),
        tracks=tuple(track for track in tracks if track.video_id in used),
        image_root=image_root,
        annotation_hash=annotation_hash,
        split_hash=split_hash(video.name for video in videos),
    )
    classes = "\n".join(f"{category.id} {category.name}" for category in categories)
    return packed_copy(dataset, annotations, f"coco\n{annotation_hash}\n{classes}")


def _annotation_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise DataError(f"{path}: no such COCO annotation file or folder.")
    for folder in (path / "annotations", path):
        found = sorted(folder.glob("instances_train*.json*"))
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(f"{folder}: several files instances_train*.json; name the one to read.")
    raise DataError(f"{path}: has no annotations/instances_train2017.json. Give the path of the file.")


def _image_root(annotations: Path, split: str) -> Path:
    places = [
        folder / name
        for folder in (annotations.parent, annotations.parent.parent)
        for name in (split, f"images/{split}", "images")
    ]
    for place in places:
        if place.is_dir():
            return place
    raise DataError(
        f"{annotations}: its images were not found. Expected the folder {places[3]}, "
        "or name the folder (protocol: training.extra.images)."
    )


def _read_images(records: list[Any], file: str) -> dict[int, Video]:
    images: dict[int, Video] = {}
    for i, value in enumerate(records):
        record = require_object(value, f"{file}, images[{i}]")
        image_id = require_int(record, "id", f"{file}, images[{i}]")
        where = f"{file}, image {image_id}"
        if image_id in images:
            raise DataError(f"{where}: the id occurs twice in `images`. Ids must be unique.")
        width, height = require_int(record, "width", where), require_int(record, "height", where)
        check_size(width, height, where)
        name = require_text(record, "file_name", where)
        check_file_name(name, where)
        images[image_id] = Video(image_id, name, width, height, (name,))
    return images


def _read_categories(records: list[Any], file: str) -> tuple[Category, ...]:
    return tuple(
        Category(require_int(record, "id", file), require_text(record, "name", file))
        for record in (require_object(value, f"{file}, categories") for value in records)
    )


def _read_objects(
    records: list[Any],
    images: Mapping[int, Video],
    categories: Sequence[Category],
    shared: Mapping[int, int],
    file: str,
) -> list[TruthTrack]:
    known = {category.id for category in categories}
    kept: list[tuple[dict[str, Any], int]] = []

    def place(i: int) -> str:
        return f"{file}, annotation {records[i].get('id', f'number {i}')}"

    batch = SegmentationBatch(lambda i, _: place(i))
    seen: set[int] = set()
    for i, value in enumerate(records):
        record = require_object(value, f"{file}, annotations[{i}]")
        where = place(i)
        object_id = require_int(record, "id", where)
        if object_id in seen:
            raise DataError(f"{where}: the id occurs twice in `annotations`. Ids must be unique.")
        seen.add(object_id)
        image = images.get(require_int(record, "image_id", where))
        if image is None:
            raise DataError(f"{where}: image {record['image_id']} is not in `images`.")
        category = require_int(record, "category_id", where)
        if category not in known:
            raise DataError(f"{where}: category {category} is not in `categories`.")
        if category in shared:
            if "segmentation" not in record:
                raise DataError(f"{where}: `segmentation` is missing.")
            kept.append((record, batch.add(record["segmentation"], image, i, 0)))
    rles, areas = batch.finish()
    return [
        _one_frame(record, shared[record["category_id"]], rles[slot], float(areas[slot]))
        for record, slot in kept
        if areas[slot] > 0
    ]


def _one_frame(record: dict[str, Any], category_id: int, rle: Rle, area: float) -> TruthTrack:
    return TruthTrack(
        id=record["id"],
        video_id=record["image_id"],
        category_id=category_id,
        is_crowd=bool(record.get("iscrowd", 0)),
        segmentations=(rle,),
        boxes=(tight_box(rle),),
        areas=(area,),
    )
