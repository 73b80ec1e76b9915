"""Finding annotation files and frames in the folder layouts in which the datasets are really unpacked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from vis_bench.data.official import OFFICIAL, OfficialDataset, plain

OFFICIAL_FILES = ("train", "valid", "test")
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
    return named if plain(data_root.name) in others else [*named, data_root]


def official_annotations(dataset: OfficialDataset, data_root: Path, split: str) -> Path | None:
    """Annotation file of the official `train`, `valid` or `test` set, or None when there is none."""
    for folder in dataset_folders(dataset, data_root):
        found = _first_file(folder / name for name in _annotation_names(dataset, split))
        if found is not None:
            return found
    return None


def _annotation_names(dataset: OfficialDataset, split: str) -> Iterator[str]:
    year = {"ytvis19": "2019", "ytvis21": "2021"}.get(dataset.name)
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
            word,
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
    `instances_<split>.json`, `annotations_<split>.json`, `<split>.json`; each also as `.json.gz`.
    """
    found: dict[str, Path] = {}
    for child in sorted(folder.iterdir()):
        if child.is_dir():
            file = _first_file((child / f"instances_{child.name}.json", child / "instances.json"))
            if file is not None:
                found.setdefault(child.name, file)
    files = [file for file in sorted(folder.iterdir()) if file.is_file()]
    for pattern in (r"instances_(.+)", r"annotations_(.+)", r"(train|valid|val|test|devval)"):
        for file in files:
            match = re.fullmatch(pattern + r"\.json(\.gz)?", file.name)
            if match:
                found.setdefault(match.group(1), file)
    return found


def image_root_beside(annotations: Path, split: str, first_frame: str | None) -> Path | None:
    """Folder of the frames of an annotation file given by its path, None when there is none."""
    parent = annotations.parent
    candidates = [parent / "JPEGImages", parent / split / "JPEGImages", parent / split]
    root = best_image_root(candidates, first_frame)
    if root is None and first_frame is not None and (parent / first_frame).is_file():
        return parent
    return root


def split_of_file(annotations: Path) -> str:
    """Split in a file name: `instances_val.json.gz` is `val`; a plain `instances.json` takes its folder's."""
    stem = annotations.name.removesuffix(".gz").removesuffix(".json")
    for prefix in ("instances_", "annotations_"):
        stem = stem.removeprefix(prefix)
    return annotations.parent.name if stem in ("instances", "annotations") else stem


def expected_tree(dataset: OfficialDataset) -> str:
    """The layout to print when data is missing."""
    folder = {"ytvis19": "ytvis_2019", "ytvis21": "ytvis_2021", "ovis": "ovis"}[dataset.name]
    lines = [f"  <data root>/{folder}/"]
    if dataset.name == "ovis":
        lines += [
            "    annotations_train.json          (or train.json)",
            "    annotations_valid.json          (no truth inside)",
            "    train/<video>/img_0000001.jpg   (or train/JPEGImages/<video>/...)",
        ]
    else:
        lines += [
            "    train.json                      (or train/instances.json)",
            "    valid.json                      (or valid/instances.json; no truth inside)",
            "    train/JPEGImages/<video>/00000.jpg",
            "    valid/JPEGImages/<video>/00000.jpg",
        ]
    return "\n".join(lines)


def _first_file(candidates: Iterable[Path]) -> Path | None:
    for candidate in candidates:
        for path in (candidate, candidate.with_name(candidate.name + ".gz")):
            if path.is_file():
                return path
    return None
