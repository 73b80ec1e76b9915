"""One format into another: `vis-bench data convert`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from vis_bench.errors import UsageError
from vis_bench.integrations.formats.content import Content
from vis_bench.integrations.formats.lost import holdable, lost
from vis_bench.integrations.formats.opened import find
from vis_bench.integrations.formats.table import FORMATS, Format, format_named
from vis_bench.types import Dataset

_SUFFIXES = {".zip": "ytvis-results", ".xml": "cvat"}


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was converted. notes: what the source held and could not be read; lost: what the target lacks."""

    source: Format
    target: Format
    videos: int
    objects: int
    notes: tuple[str, ...]
    lost: tuple[str, ...]


def convert(
    source: Path,
    target: Path,
    *,
    source_format: str | None = None,
    target_format: str | None = None,
    reference: Dataset | None = None,
    video: str | None = None,
) -> Conversion:
    """Convert a file or folder; nothing that is there is overwritten.

    target_format: None by the name of the target: `.zip` and results are results, `.xml` is CVAT, any other
    `.json` or `.json.gz` YouTube-VIS annotations. reference: the truth that predictions are about, for
    formats that list no videos. video: convert this one alone, by name.

    Raises UsageError for an existing target and what the target cannot hold at all, DataError for a malformed
    source.
    """
    found = find(source, source_format)
    content = found.content(reference)
    if video is not None:
        content = only_video(content, video)
    if target_format is None and not _names_a_format(target):
        raise UsageError(
            f"{target}: which format? Name it: vis-bench data convert --to with one of: {', '.join(FORMATS)}."
        )
    wanted = format_named(target_format or _by_name(target, content))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target}: is there already. Name a new file or folder.")
    missing = lost(content, wanted)
    _write(holdable(content, wanted), wanted, target)
    return Conversion(
        source=found.format,
        target=wanted,
        videos=len(content.videos),
        objects=len(content.objects),
        notes=content.notes,
        lost=tuple(missing),
    )


def only_video(content: Content, name: str) -> Content:
    """The content of one video. Raises UsageError for a name that is not there, or there twice."""
    found = [video for video in content.videos if video.name == name]
    if len(found) != 1:
        names = ", ".join(video.name for video in content.videos[:5])
        raise UsageError(f"--video {name!r}: {len(found)} videos have this name. Videos: {names}.")
    return replace(content, videos=tuple(found), objects=tuple(content.of_video(found[0].id)))


def _names_a_format(target: Path) -> bool:
    return target.suffix in _SUFFIXES or target.name.endswith((".json", ".json.gz"))


def _by_name(target: Path, content: Content) -> str:
    return _SUFFIXES.get(target.suffix) or ("ytvis" if content.has_videos else "ytvis-results")


def _write(content: Content, wanted: Format, target: Path) -> None:
    if not wanted.folder:
        wanted.write(content, target)
        return
    # whole or not at all: a folder that a killed conversion left would look like a complete one
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as temporary:
        folder = Path(temporary) / "folder"
        folder.mkdir()
        wanted.write(content, folder)
        if target.is_dir():
            target.rmdir()
        folder.rename(target)
