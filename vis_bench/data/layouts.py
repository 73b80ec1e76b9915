"""Finding annotation files and frames in the folder layouts in which the datasets are really unpacked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from vis_bench.data.official import OFFICIAL, OfficialDataset, plain

OFFICIAL_FILES = ("train", "valid", "test")
PARTS_OF_VALID = ("valid-short", "valid-long")
"""Of YouTube-VIS 2022, whose score is the mean of both."""
_SPELLINGS = {"train": ("train",), "valid": ("valid", "val", "validation"), "test": ("test",)}


def dataset_folders(dataset: OfficialDataset, data_root: Path) -> list[Path]:
    """Folders that may hold an official dataset: subfolders with one of its names, then data_root itself."""
    if not data_root.is_dir():
        return []
    named = [
        child
        for child in sorted(data_root.iterdir())
        if child.is_dir() and plain(child.name) in dataset.folders
    ]
    others = [name for other in OFFICIAL.values() if other != dataset for name in other.folders]
    # where no class list tells a foreign file, only its name does
    unchecked = dataset.one_class or not dataset.class_names
    taken = plain(data_root.name) in others or (unchecked and plain(data_root.name) not in dataset.folders)
    return named if taken else [*named, data_root]


def official_annotations(dataset: OfficialDataset, data_root: Path, split: str) -> Path | None:
    """Annotation file of the official `train`, `valid` or `test` set, or None when there is none."""
    for folder in dataset_folders(dataset, data_root):
        found = _first_file(folder / name for name in _annotation_names(dataset, split))
        if found is not None:
            return found
    return None


def _annotation_names(dataset: OfficialDataset, split: str) -> Iterator[str]:
    year = {"ytvis19": "2019", "ytvis21": "2021", "ytvis22": "2022"}.get(dataset.name)
    if split in PARTS_OF_VALID:
        part = split.removeprefix("valid-")
        for name in (
            f"gt_{part}",
            f"valid_{part}",
            f"valid-{part}",
            f"instances_valid_{part}",
            f"valid_gt_{part}",
        ):
            yield from (f"{folder}{name}.json" for folder in ("", "valid/", "annotations/"))
        return
    for word in _SPELLINGS[split]:
        yield f"{word}.json"
        yield f"{word}/instances.json"
        yield f"annotations_{word}.json"
        yield f"instances_{word}.json"
        yield f"{word}/{word}.json"
        yield f"{word}/instances_{word}.json"
        yield f"annotations/{word}.json"
        yield f"annotations/annotations_{word}.json"
        yield f"annotations/instances_{word}.json"
        # VNext (IDOL, SeqFormer); LV-VIS; UVO and BURST as they are unpacked
        yield f"annotations/instances_{word}_sub.json"
        yield f"{word}_instances.json"
        yield f"{word}/{word}_instances.json"
        yield f"annotations/{word}_instances.json"
        if dataset.name == "uvo":
            yield from (
                f"{folder}VideoDenseSet/UVO_video_{word}_dense.json" for folder in ("", "annotations/")
            )
        if year is not None:
            yield f"annotations/youtube_vis_{year}_{word}.json"


def official_image_root(
    dataset: OfficialDataset, data_root: Path, split: str, first_frame: str | None
) -> Path | None:
    """Folder to which the file names of an official set are relative, or None without frames.

    The candidate that holds `first_frame` wins; if none does (frames partly unpacked), the first that exists,
    so that the error names the frame that is missing. first_frame None asks for existence only.
    """
    candidates = [
        folder / name
        for folder in dataset_folders(dataset, data_root)
        for word in _SPELLINGS[split]
        for name in (
            f"{word}/JPEGImages",
            f"{word}_all_frames/JPEGImages",
            f"JPEGImages/{word}",
            f"Images/{word}",
            f"images/{word}",
            f"{word}_images",
            f"frames/{word}",
            word,
            *(("uvo_videos_dense_frames", "uvo_videos_dense_frames_jpg") if dataset.name == "uvo" else ()),
        )
    ]
    return best_image_root(candidates, first_frame)


def best_image_root(candidates: Iterable[Path], first_frame: str | None) -> Path | None:
    """The first folder that holds first_frame, else the first that exists, else None."""
    folders = [folder for folder in candidates if folder.is_dir()]
    if first_frame is not None:
        for folder in folders:
            if (folder / first_frame).is_file():
                return folder
    return folders[0] if folders else None


def folder_splits(folder: Path) -> dict[str, Path]:
    """Splits of a dataset folder that is given by its path, with their annotation files.

    Looked for, in this order: `<split>/instances_<split>.json`, `<split>/instances.json`,
    `instances_<split>.json`, `annotations_<split>.json`, `<split>_instances.json` (LV-VIS), `<split>.json`,
    then `annotations/instances_<split>_sub.json` (VNext) and others in `annotations` and `VideoDenseSet`
    (UVO); each also as `.json.gz`.
    """
    found: dict[str, Path] = {}
    for child in sorted(folder.iterdir()):
        if child.is_dir():
            file = _first_file((child / f"instances_{child.name}.json", child / "instances.json"))
            if file is not None:
                found.setdefault(child.name, file)
    for place in (folder, folder / "annotations", folder / "VideoDenseSet"):
        if place.is_dir():
            _add_splits(found, place)
    return found


def _add_splits(found: dict[str, Path], folder: Path) -> None:
    """Annotation files of a folder by the split in their name, those found before stay."""
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    for pattern in (
        *(r"instances_(.+)", r"annotations_(.+)", r"(.+)_instances", r"(train|valid|val|test|devval)"),
        *(r"UVO_video_(.+)_dense",),
    ):
        for file in files:
            match = re.fullmatch(pattern + r"\.json(\.gz)?", file.name)
            if match:
                found.setdefault(match.group(1).removesuffix("_sub"), file)


def image_root_beside(annotations: Path, split: str, first_frame: str | None) -> Path | None:
    """Folder of the frames of an annotation file given by its path, None when there is none."""
    parent = annotations.parent
    candidates = [parent / "JPEGImages", parent / split / "JPEGImages", parent / split]
    # LV-VIS, and a folder `annotations` beside the frames (VNext, UVO)
    candidates.insert(0, parent / "JPEGImages" / split)
    if parent.name in ("annotations", "VideoDenseSet"):
        home = parent.parent
        candidates += [
            *(home / split / "JPEGImages", home / "JPEGImages" / split, home / "JPEGImages", home / split),
            *(home / "uvo_videos_dense_frames", home / "uvo_videos_dense_frames_jpg"),
        ]
    root = best_image_root(candidates, first_frame)
    if root is None and first_frame is not None and (parent / first_frame).is_file():
        return parent
    return root


def split_of_file(annotations: Path) -> str:
    """Split in a file name: `instances_val.json.gz` is `val`; a plain `instances.json` takes its folder's."""
    stem = annotations.name.removesuffix(".gz").removesuffix(".json")
    for prefix in ("instances_", "annotations_", "UVO_video_"):
        stem = stem.removeprefix(prefix)
    for suffix in ("_instances", "_sub", "_dense"):
        stem = stem.removesuffix(suffix)
    return annotations.parent.name if stem in ("instances", "annotations") else stem


def expected_tree(dataset: OfficialDataset) -> str:
    """The layout to print when data is missing."""
    lines = [f"  <data root>/{dataset.folder}/"]
    if dataset.name == "ovis":
        lines += [
            "    annotations_train.json          (or train.json)",
            "    annotations_valid.json          (with truth inside, where you have it)",
            "    train/<video>/img_0000001.jpg   (or train/JPEGImages/<video>/...)",
        ]
    elif dataset.name == "lvvis":
        lines += [
            "    train_instances.json, val_instances.json",
            "    JPEGImages/train/<video>/00000.jpg",
            "    JPEGImages/val/<video>/00000.jpg",
        ]
    elif dataset.name == "uvo":
        lines += [
            "    VideoDenseSet/UVO_video_train_dense.json, UVO_video_val_dense.json",
            "    uvo_videos_dense_frames/<video>/0.png",
        ]
    elif dataset.name == "burst":
        lines += [
            "    train.json, val.json            (made once: vis-bench data convert train/all_classes.json "
            "train.json)",
            "    frames/train/<source>/<video>/<frame>.jpg",
            "    frames/val/<source>/<video>/<frame>.jpg",
        ]
    else:
        lines += [
            "    train.json                      (or train/instances.json)",
            "    valid.json                      (or valid/instances.json; no truth inside)",
            "    train/JPEGImages/<video>/00000.jpg",
            "    valid/JPEGImages/<video>/00000.jpg",
        ]
    if dataset.name == "ytvis22":
        lines.append("    gt_short.json, gt_long.json     (truth of the two parts, where you have it)")
    return "\n".join(lines)


def _first_file(candidates: Iterable[Path]) -> Path | None:
    for candidate in candidates:
        for path in (candidate, candidate.with_name(candidate.name + ".gz")):
            if path.is_file():
                return path
    return None
