"""Pictures whose pixels are object numbers, as in DAVIS PNG and MOTS PNG. Masks cannot overlap in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from vis_bench.data.bar import bar
from vis_bench.data.ytvis import check_size
from vis_bench.errors import DataError, UsageError
from vis_bench.integrations.formats.content import Content, Object
from vis_bench.integrations.formats.reference import find_video, made_video
from vis_bench.masks.rle import decode, encode
from vis_bench.types import Dataset, Rle, Video


@dataclass(frozen=True, slots=True)
class Region:
    """All pixels of one number (not 0) in one frame, and the picture they were read from."""

    video_id: int
    frame: int
    number: int
    mask: Rle
    file: Path


def painted_frame(
    objects: Sequence[Object], numbers: Mapping[int, int], frame: int, video: Video
) -> np.ndarray:
    """[H, W] int32, the number of the object at each pixel, 0 where there is none; later objects win."""
    picture = np.zeros((video.height, video.width), np.int32)
    for one in objects:
        mask = one.segmentations[frame]
        if mask is not None:
            picture[decode(mask)] = numbers[one.id]
    return picture


def masks_of(picture: np.ndarray) -> dict[int, Rle]:
    """The mask of every number but 0 in a picture [H, W]."""
    return {int(number): encode(picture == number) for number in np.unique(picture) if number}


def without_overlaps(content: Content) -> Content:
    """Content in which every pixel belongs to one object: the one with the highest score, else the first."""
    kept: dict[int, list[Rle | None]] = {one.id: [None] * len(one.segmentations) for one in content.objects}
    for video in bar(content.videos, "parting overlaps", "video"):
        order = content.painted(video.id)
        places = {one.id: place for place, one in enumerate(order, start=1)}
        for frame in range(video.length):
            found = masks_of(painted_frame(order, places, frame, video))
            for one in order:
                # what nothing was taken from keeps its bytes
                kept[one.id][frame] = found.get(places[one.id])
    objects = tuple(replace(one, segmentations=tuple(kept[one.id])) for one in content.objects)
    return replace(content, objects=objects)


def read_regions(
    root: Path, modes: Sequence[str], kind: str, reference: Dataset | None
) -> tuple[tuple[Video, ...], list[Region]]:
    """(videos, regions) of a folder of sequences; the videos are those of the reference where there is one.

    modes: of Pillow. kind: of picture, for messages. Raises DataError naming the picture.
    """
    videos: list[Video] = []
    regions: list[Region] = []
    folders = sequence_folders(root, str(root))
    for number, (name, files) in enumerate(bar(folders, "reading pictures", "video"), start=1):
        first = read_picture(files[0], modes, kind)
        video, frames = video_of_pictures(number, name, files, first.shape, reference)
        videos.append(video)
        for file, frame in zip(files, frames, strict=True):
            for value, mask in masks_of(read_picture(file, modes, kind)).items():
                regions.append(Region(video.id, frame, value, mask, file))
    return tuple(reference.videos if reference is not None else videos), regions


def picture_names(video: Video) -> list[str]:
    """The name of each frame's picture: that of the frame. Raises UsageError where two would be one file."""
    stems = [Path(name).stem for name in video.file_names]
    if len(set(stems)) < len(stems):
        raise UsageError(
            f"{video.name!r}: two frames have one file name, so their pictures would be one file."
        )
    return stems


def sequence_folders(root: Path, where: str) -> list[tuple[str, list[Path]]]:
    """(name, pictures in order) of every folder of PNG files below root; root itself may be one sequence.

    Raises DataError where there is none.
    """
    found: dict[Path, list[Path]] = {}
    for path in sorted(root.rglob("*.png")):
        found.setdefault(path.parent, []).append(path)
    if not found:
        raise DataError(f"{where}: holds no PNG files. Expected <sequence>/<frame>.png.")
    folders = []
    for folder, files in found.items():
        name = folder.relative_to(root).as_posix()
        # DAVIS unpacks to Annotations/<resolution>/<sequence>
        name = re.sub(r"^(Annotations(_unsupervised)?/)?(480p/|1080p/|Full-Resolution/)?", "", name)
        folders.append((name if name not in ("", ".") else root.name, files))
    return folders


def read_picture(path: Path, modes: Sequence[str], kind: str) -> np.ndarray:
    """[H, W] int32 of a PNG of one of these Pillow modes, palette indices as they are. Raises DataError."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.mode not in modes:
                raise DataError(
                    f"{path}: is a picture of mode {image.mode}; {kind} has {' or '.join(modes)}."
                )
            check_size(image.width, image.height, str(path))
            return np.asarray(image).astype(np.int32)
    except UnidentifiedImageError:
        raise DataError(f"{path}: is not a PNG image.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: damaged image ({error}).") from None


def video_of_pictures(
    number: int, name: str, files: Sequence[Path], size: tuple[int, int], reference: Dataset | None
) -> tuple[Video, list[int]]:
    """The video of a folder of pictures, and the frame of each file. size: (height, width).

    Frames of the truth are found by the name of the file; where none agrees, by order when there are as many.
    Raises DataError.
    """
    where = str(files[0].parent)
    if reference is None:
        names = [f"{name}/{file.stem}.jpg" for file in files]
        return made_video(number, name, size[1], size[0], names, where), list(range(len(files)))
    video = find_video(name, reference, where)
    frame_of = {Path(one).stem: frame for frame, one in enumerate(video.file_names)}
    stems = [file.stem for file in files]
    if all(stem in frame_of for stem in stems):
        return video, [frame_of[stem] for stem in stems]
    if len(files) == video.length:
        return video, list(range(len(files)))
    odd = next(stem for stem in stems if stem not in frame_of)
    raise DataError(f"{where}/{odd}.png: {video.name!r} has no frame of this name in the truth.")
