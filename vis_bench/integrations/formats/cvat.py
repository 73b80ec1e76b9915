"""CVAT for video 1.1: XML with a `track` for every object, and a `box`, `polygon` or `mask` for its frames.

    <annotations><meta><task><size>5</size><original_size><width>..</width><height>..</height></original_size>
      <labels><label><name>car</name></label></labels></task></meta>
      <track id="0" label="car">
        <mask frame="0" outside="0" rle="2, 3, 1" left="1" top="2" width="3" height="2"/> ..

A task is one video. Runs of a mask count row by row inside its rectangle, background first. As CVAT shows it,
a
shape stays until the next one of its track or until `outside="1"`; boxes between two shapes are interpolated.
Source: CVAT documentation, "CVAT for video 1.1".
"""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np

from vis_bench.data.ytvis import check_size
from vis_bench.errors import DataError, UsageError
from vis_bench.files import write_bytes
from vis_bench.integrations.formats.content import Content
from vis_bench.integrations.formats.frame_entries import Entry, gather
from vis_bench.integrations.formats.reference import find_video, made_video
from vis_bench.integrations.formats.safe_xml import parse_xml
from vis_bench.masks.rle import decode, encode, tight_box
from vis_bench.types import Box, Category, Dataset, Video

_SHAPES = ("box", "polygon", "mask")
_MOST_FRAMES = 10_000_000


def read(path: Path, reference: Dataset | None) -> Content:
    """One task. Raises DataError naming track and frame."""
    where = str(path)
    root = parse_xml(path)
    video = _video(root, path, reference)
    tracks = root.findall("track")
    if not tracks:
        kind = "images (`CVAT for images`)" if root.find("image") is not None else "no tracks"
        raise DataError(f"{where}: holds {kind}. Export the task as `CVAT for video 1.1`.")
    classes = _classes(root, tracks, reference, where)
    id_of_name = {category.name: category.id for category in classes}
    entries: list[Entry] = []
    others = 0
    for number, track in enumerate(tracks):
        label = track.get("label", "")
        if label not in id_of_name:
            raise DataError(f"{where}, track {number}: label {label!r} is no class of the truth.")
        at = f"{where}, track {track.get('id', number)}"
        others += sum(shape.tag not in (*_SHAPES, "attribute") for shape in track)
        entries += _entries(track, number, id_of_name[label], video, at)
    known = tuple(reference.videos) if reference is not None else (video,)
    objects, notes = gather(known, entries)
    if others:
        notes = (*notes, f"{others} shapes other than box, polygon and mask are left out.")
    return Content(known, classes, objects, notes=notes)


def _video(root: Element, path: Path, reference: Dataset | None) -> Video:
    where = str(path)
    task = root.find("meta/task") if root.find("meta/task") is not None else root.find("meta/job")
    name = (task.findtext("name") if task is not None else None) or path.stem
    if reference is not None:
        # a task has one video, and so may the truth
        return reference.videos[0] if len(reference.videos) == 1 else find_video(name, reference, where)
    try:
        if task is None:
            raise ValueError("no meta/task")
        length = int(task.findtext("size") or "")
        width = int(task.findtext("original_size/width") or root.findtext("meta/original_size/width") or "")
        height = int(
            task.findtext("original_size/height") or root.findtext("meta/original_size/height") or ""
        )
    except ValueError:
        raise DataError(
            f"{where}: meta/task needs `size` and `original_size`. Export the task again."
        ) from None
    check_size(width, height, where)
    if not 0 < length <= _MOST_FRAMES:
        raise DataError(f"{where}: the task has {length} frames.")
    names = [f"{name}/{frame:06d}.jpg" for frame in range(length)]
    return made_video(1, name, width, height, names, where)


def _classes(
    root: Element, tracks: list[Element], reference: Dataset | None, where: str
) -> tuple[Category, ...]:
    if reference is not None:
        return reference.categories
    listed = [label.findtext("name") or "" for label in root.findall("meta//labels/label")]
    names = dict.fromkeys([*listed, *(track.get("label", "") for track in tracks)])
    if "" in names:
        raise DataError(f"{where}: a track or label has no name.")
    return tuple(Category(number, name) for number, name in enumerate(names, start=1))


def _entries(track: Element, number: int, category_id: int, video: Video, at: str) -> list[Entry]:
    shapes = sorted(
        ((_whole(shape, "frame", at), shape) for shape in track if shape.tag in _SHAPES),
        key=lambda pair: pair[0],
    )
    entries = []
    for place, (frame, shape) in enumerate(shapes):
        if shape.get("outside") == "1":
            continue
        where = f"{at}, frame {frame}"
        after = shapes[place + 1] if place + 1 < len(shapes) else None
        until = video.length if after is None else after[0]
        mask, box = _region(shape, video, where)
        for here in range(frame, max(until, frame + 1)):
            shown = box
            if box is not None and after is not None and here > frame and after[1].get("outside") != "1":
                end = _region(after[1], video, where)[1]
                shown = _between(box, end, (here - frame) / (after[0] - frame)) if end else box
            entries.append(Entry(video.id, number, here, category_id, mask, shown, None, where))
    return entries


def _between(first: Box, last: Box, share: float) -> Box:
    a, b, c, d = (one + share * (other - one) for one, other in zip(first, last, strict=True))
    return a, b, c, d


def _region(shape: Element, video: Video, where: str) -> tuple[object | None, Box | None]:
    if shape.tag == "box":
        left, top, right, bottom = (_number(shape, key, where) for key in ("xtl", "ytl", "xbr", "ybr"))
        if right < left or bottom < top:
            raise DataError(f"{where}: a box whose right or bottom edge lies before the other.")
        return None, (left, top, right - left, bottom - top)
    if shape.tag == "polygon":
        try:
            points = [
                float(part) for point in shape.get("points", "").split(";") for part in point.split(",")
            ]
        except ValueError:
            raise DataError(f"{where}: `points` must be `x,y;x,y;...`.") from None
        return [points], None
    return _mask(shape, video, where), None


def _mask(shape: Element, video: Video, where: str) -> object:
    left, top, width, height = (_whole(shape, key, where) for key in ("left", "top", "width", "height"))
    try:
        runs = [int(part) for part in shape.get("rle", "").split(",")]
    except ValueError:
        raise DataError(f"{where}: `rle` must be whole numbers separated by commas.") from None
    inside = 0 <= left <= left + width <= video.width and 0 <= top <= top + height <= video.height
    if not inside or min(runs) < 0 or sum(runs) != width * height or width * height == 0:
        raise DataError(f"{where}: the mask's runs do not fill its rectangle, or it lies outside the frame.")
    values = np.arange(len(runs)) % 2 == 1
    picture = np.zeros((video.height, video.width), bool)
    picture[top : top + height, left : left + width] = np.repeat(values, runs).reshape(height, width)
    return dict(encode(picture))


def _whole(element: Element, key: str, where: str) -> int:
    number = _number(element, key, where)
    if number != int(number):
        raise DataError(f"{where}: `{key}` must be a whole number, found {number}.")
    return int(number)


def _number(element: Element, key: str, where: str) -> float:
    try:
        number = float(element.get(key, ""))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise DataError(f"{where}: `{key}` of <{element.tag}> must be a number, found {element.get(key)!r}.")
    return number


def write(content: Content, path: Path) -> None:
    """Write one video as a task. Raises UsageError for several: CVAT has one video a task."""
    if len(content.videos) != 1:
        raise UsageError(
            f"CVAT's XML holds one video, here are {len(content.videos)}. Convert them one by one: "
            "vis-bench data convert --video NAME."
        )
    video = content.videos[0]
    names = {category.id: category.name for category in content.categories}
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    task = SubElement(SubElement(root, "meta"), "task")
    SubElement(task, "name").text = video.name
    SubElement(task, "size").text = str(video.length)
    SubElement(task, "mode").text = "interpolation"
    labels = SubElement(task, "labels")
    for name in names.values():
        SubElement(SubElement(labels, "label"), "name").text = name
    size = SubElement(task, "original_size")
    SubElement(size, "width").text, SubElement(size, "height").text = str(video.width), str(video.height)
    for number, one in enumerate(content.objects):
        track = SubElement(root, "track", id=str(number), label=names[one.category_id], source="vis-bench")
        last: dict[str, str] | None = None
        for frame in range(video.length):
            tag, shape = _shape_at(frame, one.segmentations[frame], one.boxes[frame] if one.boxes else None)
            if shape is not None:
                SubElement(track, tag, shape | {"outside": "0"})
                last = {**shape, "tag": tag}
            elif last is not None:
                # CVAT would show the last shape on until the next one
                kind = last.pop("tag")
                SubElement(track, kind, last | {"frame": str(frame), "outside": "1"})
                last = None
    write_bytes(path, tostring(root, encoding="utf-8", xml_declaration=True))


def _shape_at(frame: int, mask: object | None, box: Box | None) -> tuple[str, dict[str, str] | None]:
    common = {"frame": str(frame), "keyframe": "1", "occluded": "0", "z_order": "0"}
    if mask is not None:
        picture = decode(mask)  # type: ignore[arg-type]
        left, top, width, height = (int(part) for part in tight_box(mask))  # type: ignore[arg-type]
        flat = picture[top : top + height, left : left + width].ravel()
        edges = np.flatnonzero(np.diff(flat)) + 1
        runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
        runs = [0, *runs] if flat[0] else runs
        place = {"left": left, "top": top, "width": width, "height": height}
        return "mask", common | {key: str(value) for key, value in place.items()} | {
            "rle": ", ".join(map(str, runs))
        }
    if box is not None:
        edges_px = (box[0], box[1], box[0] + box[2], box[1] + box[3])
        keys = ("xtl", "ytl", "xbr", "ybr")
        return "box", common | {key: repr(value) for key, value in zip(keys, edges_px, strict=True)}
    return "", None
