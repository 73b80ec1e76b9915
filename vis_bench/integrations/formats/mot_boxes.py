"""MOTChallenge boxes: txt, one line an object and frame.

A line is `frame,id,left,top,width,height,conf,class,visibility`.

A file is one sequence: `<sequence>/gt/gt.txt` beside `<sequence>/seqinfo.ini` (size and length of the video),
or
`<sequence>.txt` of results. Frames, ids and the corner of a box count from 1. In a file of truth (`gt.txt`)
conf is
0 for what is to be ignored; in results it is the score. Class -1 is none.
Source: MOTChallenge, data format of the instructions page.
"""

from __future__ import annotations

import configparser
import math
from dataclasses import replace
from pathlib import Path

from vis_bench.data.ytvis import check_size
from vis_bench.errors import DataError
from vis_bench.files import read_bytes, write_text
from vis_bench.integrations.formats.content import ONLY_CLASS, Content
from vis_bench.integrations.formats.frame_entries import Entry, gather
from vis_bench.integrations.formats.reference import find_video, made_video, only_class, safe_child
from vis_bench.masks.rle import tight_box
from vis_bench.types import Category, Dataset, Video

TRUTH_NAME = "gt.txt"
INFO_NAME = "seqinfo.ini"
_MOST_FRAMES = 10_000_000
# MOT17's numbers, which its truth files use
_MOT17 = """
pedestrian, person on vehicle, car, bicycle, motorbike, non motorized vehicle, static person, distractor,
occluder, occluder on the ground, occluder full, reflection
"""
_NAMES = {number: name.strip() for number, name in enumerate(_MOT17.split(","), start=1)}


def read(path: Path, reference: Dataset | None) -> Content:
    """A file, a sequence's folder, or a folder of either. Raises DataError naming file and line."""
    files = _files(path)
    videos: list[Video] = []
    entries: list[Entry] = []
    ignored = 0
    for number, (name, file) in enumerate(files, start=1):
        video = (
            find_video(name, reference, str(file)) if reference is not None else _video(number, name, file)
        )
        videos.append(video)
        for entry, counts in _entries(file, video):
            if counts:
                entries.append(entry)
            else:
                ignored += 1
    known = tuple(reference.videos) if reference is not None else tuple(videos)
    classes, entries = _classes(entries, reference, str(path))
    objects, notes = gather(known, entries)
    if ignored:
        notes = (*notes, f"{ignored} boxes to ignore (conf 0) are left out.")
    return Content(known, classes, objects, notes=notes)


def _files(path: Path) -> list[tuple[str, Path]]:
    if path.is_file():
        return [(path.parents[1].name if path.name == TRUTH_NAME else path.stem, path)]
    truths = sorted(path.rglob(f"gt/{TRUTH_NAME}"))
    if truths:
        return [
            (file.parents[1].relative_to(path).as_posix() if file.parents[1] != path else path.name, file)
            for file in truths
        ]
    found = sorted(path.rglob("*.txt"))
    if not found:
        raise DataError(f"{path}: holds no txt file.")
    return [(file.relative_to(path).with_suffix("").as_posix(), file) for file in found]


def _video(number: int, name: str, file: Path) -> Video:
    folder = file.parents[1] if file.name == TRUTH_NAME else file.parent
    info = folder / INFO_NAME
    if not info.is_file():
        raise DataError(
            f"{file}: the size of the video is not in it, and there is no {info}. Give the truth with "
            "--truth "
            "FILE or --dataset NAME, or put seqinfo.ini there."
        )
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_bytes(info).decode())
        section = parser["Sequence"]
        width, height, length = (int(section[key]) for key in ("imWidth", "imHeight", "seqLength"))
        extension = section.get("imExt", ".jpg")
        folder_name = section.get("imDir", "img1")
    except (configparser.Error, KeyError, ValueError) as error:
        raise DataError(
            f"{info}: imWidth, imHeight and seqLength under [Sequence] are needed ({error})."
        ) from None
    check_size(width, height, str(info))
    if not 0 < length <= _MOST_FRAMES:
        raise DataError(f"{info}: seqLength is {length}.")
    names = [f"{name}/{folder_name}/{frame:06d}{extension}" for frame in range(1, length + 1)]
    return made_video(number, name, width, height, names, str(info))


def _entries(file: Path, video: Video) -> list[tuple[Entry, bool]]:
    is_truth = file.name == TRUTH_NAME
    try:
        texts = read_bytes(file).decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise DataError(f"{file}: is not a MOTChallenge file (not ASCII text).") from None
    found = []
    for number, text in enumerate(texts, start=1):
        where = f"{file}, line {number}"
        if not text.strip():
            continue
        try:
            values = [float(part) for part in text.split(",")]
        except ValueError:
            values = []
        whole = all(value == int(value) for value in values[:2] if math.isfinite(value))
        if len(values) < 6 or not all(map(math.isfinite, values)) or not whole:
            raise DataError(f"{where}: expected `frame,id,left,top,width,height,...`, found {text[:60]!r}.")
        frame, identity, left, top, width, height = values[:6]
        if width < 0 or height < 0 or identity < 0:
            raise DataError(f"{where}: a box has no negative width or height, and a track an id from 0.")
        confidence = values[6] if len(values) > 6 else 1.0
        entry = Entry(
            video_id=video.id,
            track_id=int(identity),
            frame=int(frame) - 1,
            category_id=int(values[7]) if len(values) > 7 else -1,
            mask=None,
            box=(left - 1, top - 1, width, height),
            score=None if is_truth or len(values) < 7 else confidence,
            where=where,
        )
        found.append((entry, not is_truth or confidence != 0))
    return found


def _classes(
    entries: list[Entry], reference: Dataset | None, where: str
) -> tuple[tuple[Category, ...], list[Entry]]:
    """The classes of a file, and its entries under them; -1 is the only class, or that of the truth."""
    if reference is not None and not entries:
        return reference.categories, entries
    numbers = sorted({entry.category_id for entry in entries})
    if not any(number > 0 for number in numbers):
        classes, category_id = only_class(reference, where)
        return classes, [_with_class(entry, category_id) for entry in entries]
    if reference is None:
        names = {number: _NAMES.get(number, f"class {number}") for number in numbers if number > 0}
        made = tuple(Category(number, name) for number, name in names.items())
        return made or (ONLY_CLASS,), entries
    known = {category.id for category in reference.categories}
    for entry in entries:
        if entry.category_id not in known:
            raise DataError(f"{entry.where}: class {entry.category_id} is not in {reference.name}.")
    return reference.categories, entries


def _with_class(entry: Entry, category_id: int) -> Entry:
    return replace(entry, category_id=category_id)


def write(content: Content, folder: Path) -> None:
    """Write `<sequence>/gt/gt.txt` and `seqinfo.ini` for truth, `<sequence>.txt` for predictions."""
    for video in content.videos:
        lines = []
        for one in content.of_video(video.id):
            for frame, mask in enumerate(one.segmentations):
                box = tight_box(mask) if mask is not None else one.boxes[frame] if one.boxes else None
                if box is None:
                    continue
                corner = [repr(box[0] + 1), repr(box[1] + 1), repr(box[2]), repr(box[3])]
                score = "1" if one.score is None else repr(one.score)
                rest = (
                    f"{score},{one.category_id},1" if one.score is None else f"{score},{one.category_id},-1"
                )
                lines.append((frame, f"{frame + 1},{one.id},{','.join(corner)},{rest}\n"))
        lines.sort(key=lambda pair: pair[0])
        text = "".join(line for _, line in lines)
        if content.has_scores:
            write_text(safe_child(folder, video.name, ".txt"), text)
            continue
        place = safe_child(folder, video.name)
        write_text(place / "gt" / TRUTH_NAME, text)
        write_text(
            place / INFO_NAME,
            f"[Sequence]\nname={place.name}\nimDir=img1\nseqLength={video.length}\nimWidth={video.width}\n"
            f"imHeight={video.height}\nimExt=.jpg\n",
        )
