"""Every format by name: what it holds, how it is read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from vis_bench.errors import UsageError, did_you_mean
from vis_bench.integrations.formats import ytvis
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


def _later(module: str, function: str) -> Callable[..., Any]:
    """A function of the module of a format, which is loaded when it is called: scoring one format takes
    less time than loading all."""

    def call(*arguments: Any) -> Any:
        return getattr(import_module(f"vis_bench.integrations.formats.{module}"), function)(*arguments)

    return call


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
            Format(
                "coco-video",
                "COCO-video",
                _later("coco_video", "write"),
                read_json=_later("coco_video", "read"),
                crowds=True,
            ),
            Format(
                "tao",
                "TAO",
                _later("coco_video", "write_tao"),
                read_json=_later("coco_video", "read"),
                crowds=True,
            ),
            Format(
                "burst", "BURST", _later("burst", "write"), read_json=_later("burst", "read"), boxes=False
            ),
            Format(
                "mots-txt",
                "MOTS txt",
                _later("mots_txt", "write"),
                read_path=_later("mots_txt", "read"),
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
                _later("mots_png", "write"),
                read_path=_later("mots_png", "read"),
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
                _later("davis", "write"),
                read_path=_later("davis", "read"),
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
                _later("sav", "write"),
                read_path=_later("sav", "read"),
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
                _later("mot_boxes", "write"),
                read_path=_later("mot_boxes", "read"),
                folder=True,
                videos=False,
                masks=False,
                class_names=False,
            ),
            Format(
                "cvat",
                "CVAT for video 1.1",
                _later("cvat", "write"),
                read_path=_later("cvat", "read"),
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
