"""The folder of the data sets, and the state of what lies in it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from vis_bench.cache import from_home
from vis_bench.data import catalog
from vis_bench.data.frames import image_root_of, require_upright
from vis_bench.data.layouts import dataset_folders, official_annotations
from vis_bench.data.official import OFFICIAL
from vis_bench.doctor.finding import Finding, ok, trouble
from vis_bench.errors import VisBenchError
from vis_bench.types import Dataset

_SPLITS = ("train", "valid", "test")


def dataset_findings(data_root: Path | None, say: Callable[[str], object]) -> Iterator[Finding]:
    """The data root and every official data set below it, opened, with all frames looked for.

    data_root: None for that of the environment. say: takes the name of a set before it is opened, which
    takes seconds for a large one.
    """
    variable = catalog.DATA_ROOT_VARIABLE
    given = os.environ.get(variable)
    root = data_root or (from_home(given) if given else None)
    if root is None:
        yield Finding(
            "data root", "absent", f"{variable} is not set; `shapes` and paths need none",
            f"where one holds ytvis21, ovis, ...: export {variable}=FOLDER",
        )  # fmt: skip
        return
    where = variable if data_root is None else "--data-root"
    try:
        entries = sorted(path.name for path in root.iterdir())
    except FileNotFoundError:
        yield trouble("data root", f"{root} does not exist", f"correct {where}, or leave it out")
        return
    except OSError as error:
        yield trouble(
            "data root", f"{root} cannot be read ({error.strerror})",
            f"correct {where}, or let this user read the folder: chmod -R u+rX {root}",
        )  # fmt: skip
        return
    # a command that is named needs the root too, where no variable holds it
    option = "" if data_root is None else f" --data-root {shlex.quote(str(root))}"
    found = [finding for name in OFFICIAL for finding in _one(name, root, option, say)]
    if found:
        yield ok("data root", str(root))
        yield from found
        return
    shown = ", ".join(entries[:5]) + (", ..." if len(entries) > 5 else "")
    yield trouble(
        "data root",
        f"{root} holds no data set that is known by name ({shown or 'it is empty'})",
        "name a folder of your own by its path, --dataset PATH, or lay a known data set out as this shows: "
        f"{_shown_layout('ytvis21', option)}",
    )


def _shown_layout(name: str, option: str) -> str:
    """A command that prints the layout that is looked for, as long as there is none."""
    return f"vis-bench data verify {name} --split train{option}"


def _one(name: str, root: Path, option: str, say: Callable[[str], object]) -> Iterator[Finding]:
    dataset = OFFICIAL[name]
    splits = [split for split in _SPLITS if official_annotations(dataset, root, split) is not None]
    folders = [folder for folder in dataset_folders(dataset, root) if folder.is_dir() and folder != root]
    if not splits and folders:
        yield trouble(
            f"data {name}",
            f"{folders[0]}: no annotation file where one is looked for",
            f"lay the files out as this shows: {_shown_layout(name, option)}",
        )
        return
    for split in splits:
        found = _opened(name, split, root, option, say)
        # a file that lies in the root itself may be that of any set; its classes tell
        if found.state == "ok" or folders:
            yield found


def _opened(name: str, split: str, root: Path, option: str, say: Callable[[str], object]) -> Finding:
    """Opens the whole official split, whatever part of it is trained on."""
    title, path = f"data {name} {split}", official_annotations(OFFICIAL[name], root, split)
    command = f"vis-bench data verify {name} --split {_whole(name, split)}{option}"
    say(f"looking at {name} {split} ...")
    try:
        opened = catalog.open_dataset(name, _whole(name, split), root)
        missing = _missing_frames(opened)
        if missing:
            return trouble(title, f"{path}: {missing}", f"unpack them there; each is named by: {command}")
        require_upright(opened)
    except VisBenchError as error:
        return trouble(title, f"{path}: {' '.join(str(error).split())}", command)
    truth = "without truth" if opened.tracks is None else f"{len(opened.tracks):,} tracks"
    return ok(title, f"{path}: {len(opened.videos):,} videos, {truth}")


def _whole(name: str, split: str) -> str:
    return "train-full" if split == "train" and not OFFICIAL[name].public_truth else split


def _missing_frames(opened: Dataset) -> str:
    """How many frames of how many videos are not there, and the first; empty where all are."""
    image_root = image_root_of(opened)
    missing = [
        [file_name for file_name in video.file_names if not (image_root / file_name).is_file()]
        for video in opened.videos
    ]
    several = [names for names in missing if names]
    if not several:
        return ""
    frames = sum(video.length for video in opened.videos)
    return (
        f"{sum(map(len, several)):,} of {frames:,} frames are missing, in {len(several):,} of "
        f"{len(opened.videos):,} videos; the first is {image_root / several[0][0]}"
    )
