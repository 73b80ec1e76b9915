"""Every format by name: what it holds, how it is read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vis_bench.errors import UsageError, did_you_mean
from vis_bench.integrations.formats import (
    burst,
    coco_video,
    cvat,
    davis,
    mot_boxes,
    mots_png,
    mots_txt,
    sav,
    ytvis,
)
from vis_bench.integrations.formats.content import Content
from vis_bench.types import Dataset


@dataclass(frozen=True, slots=True)
class Format:
    """One format. The flags say what it holds; what it does not hold is lost in writing it.

    videos: sizes, lengths and frame names of the videos. classes: which object is of which class.
    class_names:
    their names (and classes without an object). length: frames after the last object. read_json: from parsed
    JSON, read_path: from a file or folder; one of both. folder: a folder is written.
    """

    name: str
    title: str
    write: Callable[[Content, Path], None]
    read_json: Callable[[Any, str, Dataset | None], Content] | None = None
    read_path: Callable[[Path, Dataset | None], Content] | None = None
    folder: bool = False
    videos: bool = True
    masks: bool = True
    boxes: bool = True
    classes: bool = True
    class_names: bool = True
    scores: bool = True
    overlaps: bool = True
    ids: bool = True
    crowds: bool = False
    length: bool = True
    empty_videos: bool = True


def _read_truth(payload: Any, where: str, reference: Dataset | None) -> Content:
    """Truth needs no other truth to be read."""
    return ytvis.read_truth(payload, where)


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        one.name: one
        for one in (
            Format(
                "ytvis",
                "YouTube-VIS annotations",
                ytvis.write_truth,
                read_json=_read_truth,
                scores=False,
                crowds=True,
            ),
            Format(
                "ytvis-results",
                "YouTube-VIS results",
                ytvis.write_tracks,
                read_json=ytvis.read_tracks,
                videos=False,
                class_names=False,
                ids=False,
            ),
            Format("coco-video", "COCO-video", coco_video.write, read_json=coco_video.read, crowds=True),
            Format("tao", "TAO", coco_video.write_tao, read_json=coco_video.read, crowds=True),
            Format("burst", "BURST", burst.write, read_json=burst.read, boxes=False),
            Format(
                "mots-txt",
                "MOTS txt",
                mots_txt.write,
                read_path=mots_txt.read,
                folder=True,
                videos=False,
                boxes=False,
                class_names=False,
                scores=False,
                overlaps=False,
                ids=False,
                length=False,
                empty_videos=False,
            ),
            Format(
                "mots-png",
                "MOTS PNG",
                mots_png.write,
                read_path=mots_png.read,
                folder=True,
                videos=False,
                boxes=False,
                class_names=False,
                scores=False,
                overlaps=False,
                ids=False,
            ),
            Format(
                "davis",
                "DAVIS PNG",
                davis.write,
                read_path=davis.read,
                folder=True,
                videos=False,
                boxes=False,
                classes=False,
                class_names=False,
                scores=False,
                overlaps=False,
                ids=False,
            ),
            Format(
                "sav",
                "SA-V",
                sav.write,
                read_path=sav.read,
                folder=True,
                videos=False,
                boxes=False,
                classes=False,
                class_names=False,
                scores=False,
            ),
            Format(
                "mot",
                "MOTChallenge boxes",
                mot_boxes.write,
                read_path=mot_boxes.read,
                folder=True,
                videos=False,
                masks=False,
                class_names=False,
            ),
            Format(
                "cvat",
                "CVAT for video 1.1",
                cvat.write,
                read_path=cvat.read,
                videos=False,
                scores=False,
                ids=False,
            ),
        )
    }
)


def format_named(name: str) -> Format:
    """The format of this name. Raises UsageError."""
    if name not in FORMATS:
        raise UsageError(f"--format {name!r}: no such format.{did_you_mean(name, FORMATS)}")
    return FORMATS[name]
