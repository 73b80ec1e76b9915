"""MOTS txt: one file a sequence, one line an object and frame: `frame id class height width rle`.

A folder holds one file a sequence; the name of the file is that of the sequence. Frames count from 0 (KITTI)
or
from 1 (MOTSChallenge): from 0 where any line of any file has frame 0.
Source: KITTI MOTS and MOTSChallenge, txt annotation format (mots_tools).
"""

from __future__ import annotations

from pathlib import Path

from vis_bench.errors import DataError
from vis_bench.files import read_bytes, write_text
from vis_bench.integrations.formats.content import Content
from vis_bench.integrations.formats.frame_entries import Entry, gather
from vis_bench.integrations.formats.mots_classes import (
    IGNORED_CLASS,
    PER_CLASS,
    classes_of,
    mots_numbers,
)
from vis_bench.integrations.formats.reference import find_video, made_video, safe_child, sequence_files
from vis_bench.types import Dataset, Video

_Line = tuple[int, int, int, int, int, str, str]


def read(path: Path, reference: Dataset | None) -> Content:
    """A file, or a folder of files. Raises DataError naming file and line."""
    files = sequence_files(path, "*.txt") if path.is_dir() else [(path.stem, path)]
    if not files:
        raise DataError(f"{path}: holds no txt file.")
    lines = {name: _lines(file) for name, file in files}
    first = 0 if any(line[0] == 0 for own in lines.values() for line in own) else 1
    videos: list[Video] = []
    entries: list[Entry] = []
    ignored = 0
    for number, (name, file) in enumerate(files, start=1):
        own = lines[name]
        if reference is not None:
            video = find_video(name, reference, str(file))
        elif not own:
            raise DataError(f"{file}: has no line, so the size of its frames is not known.")
        else:
            video = _video(number, name, own, first, str(file))
        videos.append(video)
        for frame, identity, class_number, height, width, counts, where in own:
            if class_number == IGNORED_CLASS:
                ignored += 1
                continue
            mask = {"size": [height, width], "counts": counts}
            entries.append(Entry(video.id, identity, frame - first, class_number, mask, None, None, where))
    known = tuple(reference.videos) if reference is not None else tuple(videos)
    classes = classes_of((entry.category_id for entry in entries), reference, str(path))
    objects, notes = gather(known, entries)
    notes = (*notes, f"frames are counted from {first}")
    if ignored:
        notes = (*notes, f"{ignored} regions to ignore (class {IGNORED_CLASS}) are left out.")
    return Content(known, classes, objects, notes=notes)


def _video(number: int, name: str, lines: list[_Line], first: int, where: str) -> Video:
    _, _, _, height, width, _, _ = lines[0]
    last = max(line[0] for line in lines)
    names = [f"{name}/{frame:06d}.jpg" for frame in range(first, last + 1)]
    return made_video(number, name, width, height, names, where)


def _lines(file: Path) -> list[_Line]:
    try:
        texts = read_bytes(file).decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{file}: is not a MOTS txt file (not ASCII text).") from None
    found = []
    for number, text in enumerate(texts, start=1):
        where, parts = f"{file}, line {number}", text.split()
        if not parts:
            continue
        if len(parts) != 6 or not all(part.isdecimal() for part in parts[:5]):
            raise DataError(f"{where}: expected `frame id class height width rle`, found {text[:60]!r}.")
        frame, identity, class_number, height, width = map(int, parts[:5])
        if identity // PER_CLASS != class_number:
            raise DataError(
                f"{where}: object {identity} of class {class_number}: the id is class * 1000 + n."
            )
        found.append((frame, identity, class_number, height, width, parts[5], where))
    return found


def write(content: Content, folder: Path) -> None:
    """Write a folder of one file a video.

    Frames count from 1: where frame 0 has no object, a reader could not tell that they count from 0.
    """
    numbers = mots_numbers(content)
    for video in content.videos:
        lines = []
        objects = content.of_video(video.id)
        for frame in range(video.length):
            for one in objects:
                mask = one.segmentations[frame]
                if mask is not None:
                    counts = mask["counts"].decode("ascii")
                    head = f"{frame + 1} {numbers[one.id]} {one.category_id} {video.height} {video.width}"
                    lines.append(f"{head} {counts}\n")
        write_text(safe_child(folder, video.name, ".txt"), "".join(lines))
