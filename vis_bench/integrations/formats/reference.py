"""Matching the videos of a foreign file with those of the truth that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from vis_bench.data.ytvis import check_file_name
from vis_bench.errors import DataError, did_you_mean
from vis_bench.integrations.formats.content import ONLY_CLASS
from vis_bench.types import Category, Dataset, Video


def find_video(name: str, reference: Dataset, where: str) -> Video:
    """The video of the truth with this name, or with this last part of its name.

    Raises DataError for none or several.
    """
    exact = [video for video in reference.videos if video.name == name]
    last = PurePosixPath(name).name
    found = exact or [video for video in reference.videos if PurePosixPath(video.name).name == last]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(f"{where}: video {name!r} may be any of {', '.join(video.name for video in found)}.")
    names = [video.name for video in reference.videos]
    raise DataError(f"{where}: no video is named {name!r} in {reference.name}.{did_you_mean(name, names)}")


def only_class(reference: Dataset | None, where: str) -> tuple[tuple[Category, ...], int]:
    """(classes, the id to use) for a format without classes.

    Raises DataError where the truth has several: which one a mask is of cannot be known.
    """
    if reference is None:
        return (ONLY_CLASS,), ONLY_CLASS.id
    if len(reference.categories) == 1:
        return reference.categories, reference.categories[0].id
    raise DataError(
        f"{where}: this format holds no classes, and {reference.name} has {len(reference.categories)}. "
        "Score it against truth of one class, or bring the predictions in a format with classes "
        "(YouTube-VIS, COCO-video, BURST)."
    )


def made_video(
    number: int, name: str, width: int, height: int, file_names: Sequence[str], where: str
) -> Video:
    """A video of a file that lists no frames of its own. Raises DataError for names that lead outside."""
    for file_name in file_names:
        check_file_name(file_name, where)
    return Video(number, name, width, height, tuple(file_names))


def safe_child(folder: Path, name: str, suffix: str = "") -> Path:
    """The path of a video below a folder. The name came out of a file: it must not lead anywhere else.

    Raises DataError.
    """
    check_file_name(name, str(folder))
    parts = PurePosixPath(name).parts
    if not parts or parts[-1] in (".", ""):
        raise DataError(f"{folder}: a video named {name!r} cannot have a file.")
    return folder.joinpath(*parts[:-1], parts[-1] + suffix)


def sequence_files(folder: Path, pattern: str) -> list[tuple[str, Path]]:
    """(name of the sequence, file) for every matching file below a folder, sorted by name."""
    found = sorted(path for path in folder.rglob(pattern) if path.is_file())
    return [(path.relative_to(folder).with_suffix("").as_posix(), path) for path in found]
