"""Datasets by name or by path: the one place that knows where data lies."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from vis_bench.cache import default_cache_root, from_home, saying_that_it_is_made_anew
from vis_bench.data.layouts import (
    OFFICIAL_FILES,
    PARTS_OF_VALID,
    expected_tree,
    folder_splits,
    image_root_beside,
    official_annotations,
    official_image_root,
    split_of_file,
)
from vis_bench.data.official import OFFICIAL, OfficialDataset, plain
from vis_bench.data.splits import HELD_OUT_FRACTION, development_split, keep_videos, threshold_of
from vis_bench.data.stored import open_annotations
from vis_bench.data.ytvis import read_video_names
from vis_bench.errors import DataError, UsageError, did_you_mean
from vis_bench.types import Category, Dataset

DATA_ROOT_VARIABLE = "VIS_BENCH_DATA"
# Which official file each split is read from. `val` is what papers call the official validation set.
_OFFICIAL_SPLITS = {
    "train": "train",
    "devval": "train",
    "train-full": "train",
    "valid": "valid",
    "val": "valid",
    "valid-short": "valid-short",
    "valid-long": "valid-long",
    "test": "test",
}
_SHAPES_SPLITS = {
    "shapes": ("train", "val", "test"),
    "shapes-occlusion": ("test",),
    "shapes-crossing": ("test",),
    "shapes-alike": ("test",),
    "shapes-long": ("test",),
    "shapes-entering": ("test",),
    "shapes-v1": ("train", "val", "test"),
}


def known_datasets() -> tuple[str, ...]:
    """Names that open_dataset takes besides paths."""
    return (*OFFICIAL, *_SHAPES_SPLITS)


def official_names() -> tuple[str, ...]:
    """Names of the official data sets."""
    return tuple(OFFICIAL)


def class_names(name: str) -> tuple[str, ...]:
    """Class names of a named dataset in the order of its labels; needs no data on disk.

    Raises UsageError for an unknown name.
    """
    if name in OFFICIAL and OFFICIAL[name].class_names:
        return OFFICIAL[name].class_names
    if name in OFFICIAL:
        raise UsageError(f"{name}: its classes stand in its annotation file alone. Name another data set.")
    if name in _SHAPES_SPLITS:
        from vis_bench.data.shapes import CLASS_NAMES

        return tuple(CLASS_NAMES)
    raise UsageError(f"Unknown dataset {name!r}.{did_you_mean(name, known_datasets())}")


def default_split(name_or_path: str) -> str:
    """The split to evaluate on when none is given.

    `devval` for the official datasets, `valid` where its truth is public, `test` for the shapes; for a path
    `val`, `valid` or `test`, whichever comes first, else its only split. Raises UsageError when that leaves a
    choice, DataError as open_dataset.
    """
    if name_or_path in OFFICIAL:
        return "valid" if OFFICIAL[name_or_path].public_truth else "devval"
    if name_or_path in _SHAPES_SPLITS:
        return "test"
    path = _existing_path(name_or_path)
    if path.is_file():
        return split_of_file(path)
    found = _splits_of_folder(path)
    for split in ("val", "valid", "test"):
        if split in found:
            return split
    if len(found) == 1:
        return next(iter(found))
    raise UsageError(f"{path}: which split? Give --split with one of: {', '.join(sorted(found))}.")


def split_names(name_or_path: str, data_root: str | Path | None = None) -> tuple[str, ...]:
    """Every split that open_dataset would open, once under its own name, by looking at folders only.

    Of an official dataset those whose annotations lie below the data root; where it has none of them (or is
    not given) all that the dataset knows, so that opening one says what is missing. Raises UsageError for an
    unknown name, DataError for a path without data.
    """
    if name_or_path in OFFICIAL:
        dataset, root = OFFICIAL[name_or_path], _data_root(data_root)
        known = [split for split in _splits_of(dataset) if split != "val"]
        files = {
            split: root and official_annotations(dataset, root, _OFFICIAL_SPLITS[split]) for split in known
        }
        return tuple(split for split in known if files[split]) or tuple(known)
    if name_or_path in _SHAPES_SPLITS:
        return _SHAPES_SPLITS[name_or_path]
    path = _existing_path(name_or_path)
    return (split_of_file(path),) if path.is_file() else tuple(_splits_of_folder(path))


def open_dataset(
    name_or_path: str | Path,
    split: str | None = None,
    data_root: str | Path | None = None,
    cache_root: str | Path | None = None,
) -> Dataset:
    """Open a dataset by name (see known_datasets) or by the path of a folder or annotation file.

    split: default_split when None. Official datasets have `devval` and `train` (held out from the official
    training set by a rule, see splits), `train-full` (all of it), `valid` (also `val`; no truth) and `test`
    (no truth). data_root: folder of the official datasets, the environment variable VIS_BENCH_DATA when None;
    it may also be one dataset's own folder. cache_root: where the shapes and packed annotations are kept,
    VIS_BENCH_CACHE or ~/.cache/vis-bench when None. A path needs no data root; its frames are looked for
    beside the annotations. Large annotation files are packed into the cache once; later the data set is there
    at once, its videos and tracks are read when they are looked at.

    Raises UsageError (exit code 2) for an unknown name or split, DataError (3) for missing or malformed data.

    >>> open_dataset("shapes", "tset")
    Traceback (most recent call last):
        ...
    vis_bench.errors.UsageError: shapes has no split 'tset'. Known: train, val, test.
    """
    name = str(name_or_path)
    cache = None if cache_root is None else Path(cache_root)
    if name in OFFICIAL:
        root = None if data_root is None else Path(data_root)
        return _open_official(name, split or default_split(name), root, cache)
    if name in _SHAPES_SPLITS:
        return _open_shapes(name, split or default_split(name), cache)
    return _open_path(_existing_path(name), split, cache)


def coco_folder(data_root: Path | None = None) -> Path | None:
    """The folder `coco` below the data root, where it holds training annotations and images; else None."""
    root = _data_root(data_root)
    if root is None:
        return None
    folder = root / "coco"
    found = [path for path in (folder / "annotations", folder) if any(path.glob("instances_train*.json*"))]
    images = [folder / "train2017", folder / "images", folder / "images" / "train2017"]
    return folder if found and any(path.is_dir() for path in images) else None


def open_recorded(
    place: str,
    split: str,
    annotation_hash: str,
    data_root: str | Path | None = None,
    recorded: str | None = None,
) -> Dataset:
    """The data of a record: by name or path, its split; a file is that split whatever its name says.

    annotation_hash: of the record's data; records of before version 2 of `shapes` mean `shapes-v1` by that
    name, which is opened where the hash is its. Whether what was opened has the hash is for the caller to
    see. recorded: the name in the record. Where `place` is a file of truth without frames beside it, the
    frames are those of that named data set, if it is here. Raises as `open_dataset`.
    """
    if place == "shapes":
        from vis_bench.data.shapes import FIRST_ANNOTATIONS

        if FIRST_ANNOTATIONS.get(split) == annotation_hash:
            place = "shapes-v1"
    path = Path(place)
    if place in known_datasets() or not path.is_file():
        return open_dataset(place, split, data_root)
    opened = replace(open_dataset(path), split=split)
    if opened.image_root is not None or recorded not in OFFICIAL:
        return opened
    root = _data_root(data_root)
    file_split = _OFFICIAL_SPLITS.get(split)
    if root is None or file_split is None:
        return opened
    first = opened.videos[0].file_names[0]
    return replace(opened, image_root=official_image_root(OFFICIAL[recorded], root, file_split, first))


def describe_datasets(data_root: Path | None = None) -> list[tuple[str, str, str]]:
    """(name, status, where) of every named dataset, by looking at folders only; no file is opened."""
    root = _data_root(data_root)
    rows = []
    for name, dataset in OFFICIAL.items():
        if root is None:
            rows.append((name, "not found", f"set {DATA_ROOT_VARIABLE} to the folder of the datasets"))
            continue
        files = {split: official_annotations(dataset, root, split) for split in OFFICIAL_FILES}
        parts = [
            split + ("" if official_image_root(dataset, root, split, None) else " (no frames)")
            for split, file in files.items()
            if file is not None
        ]
        where = next((str(file) for file in files.values() if file is not None), str(root))
        rows.append((name, ", ".join(parts) or "not found", where))
    for name, splits in _SHAPES_SPLITS.items():
        rows.append((name, f"made on first use: {', '.join(splits)}", str(default_cache_root())))
    return rows


def _data_root(data_root: str | Path | None) -> Path | None:
    if data_root is not None:
        return Path(data_root)
    given = os.environ.get(DATA_ROOT_VARIABLE)
    return from_home(given) if given else None


def _open_official(name: str, split: str, data_root: Path | None, cache_root: Path | None) -> Dataset:
    dataset = OFFICIAL[name]
    known = _splits_of(dataset)
    if split not in known:
        raise UsageError(f"{name} has no split {split!r}.{did_you_mean(split, known)}")
    file_split = _OFFICIAL_SPLITS[split]
    root = _data_root(data_root)
    path = None if root is None else official_annotations(dataset, root, file_split)
    if root is not None and path is None and file_split in PARTS_OF_VALID:
        return _part_of_valid(file_split, root, cache_root)
    if root is None or path is None:
        looked = (
            f"not found below {root}" if root else f"no data root is given ({DATA_ROOT_VARIABLE} is not set)"
        )
        raise DataError(
            f"{dataset.title}: the official {file_split} set is needed for split {split!r}; {looked}. "
            f"Expected:\n{expected_tree(dataset)}\n"
            f"Point --data-root or the environment variable {DATA_ROOT_VARIABLE} at <data root>."
        )
    label = "train-full" if file_split == "train" and not dataset.public_truth else file_split
    full = open_annotations(path, None, name, label, cache_root)
    _check_classes(full, path)
    first_frame = full.videos[0].file_names[0] if full.videos else None
    frames = "valid" if file_split in PARTS_OF_VALID else file_split
    full = replace(full, image_root=official_image_root(dataset, root, frames, first_frame))
    if dataset.one_class:
        full = as_one_class(full)
    if dataset.public_truth or split not in ("train", "devval"):
        return full
    later = name in ("ytvis21", "ytvis22")
    return development_split(full, split, _threshold_of_2019(root, cache_root) if later else None)


def _splits_of(dataset: OfficialDataset) -> tuple[str, ...]:
    """The splits of an official data set; what is held out of training only where the truth is hidden."""
    left_out = {"devval", "train-full"} if dataset.public_truth else set()
    if dataset.name != "ytvis22":
        left_out |= set(PARTS_OF_VALID)
    return tuple(split for split in _OFFICIAL_SPLITS if split not in left_out)


def _part_of_valid(part: str, root: Path, cache_root: Path | None) -> Dataset:
    """The short or the long videos of the validation set of 2022: those that 2021 has, and the others.

    Raises DataError where the validation set of either year is missing.
    """
    whole = _open_official("ytvis22", "valid", root, cache_root)
    old = official_annotations(OFFICIAL["ytvis21"], root, "valid")
    if old is None:
        raise DataError(
            f"ytvis22 {part}: needs gt_short.json and gt_long.json in its folder, or the validation file of "
            f"ytvis21 below {root}, whose videos are the short ones."
        )
    short = set(read_video_names(old))
    wanted = frozenset(v.id for v in whole.videos if (v.name in short) == (part == "valid-short"))
    if not wanted:
        raise DataError(f"ytvis22 {part}: no video of the validation set of 2022 is one of these.")
    return keep_videos(whole, part, wanted)


def as_one_class(dataset: Dataset) -> Dataset:
    """The same videos with every object of the one class `object`."""
    tracks = dataset.tracks
    only = Category(1, "object")
    if dataset.categories == (only,):
        return dataset
    if tracks is not None:
        tracks = tuple(replace(track, category_id=only.id) for track in tracks)
    return replace(dataset, categories=(only,), tracks=tracks)


def _threshold_of_2019(root: Path, cache_root: Path | None) -> str | None:
    """The cut of ytvis19, so that a video of both years stays on one side; None without the 2019 file."""
    path = official_annotations(OFFICIAL["ytvis19"], root, "train")
    if path is None:
        return None
    try:
        names = [
            video.name for video in open_annotations(path, None, "ytvis19", "train-full", cache_root).videos
        ]
    except DataError:
        # a broken mask of the other year is no reason to stop, only its list of videos counts
        names = read_video_names(path)
    return threshold_of(names, HELD_OUT_FRACTION["ytvis19"])


def _check_classes(dataset: Dataset, path: Path) -> None:
    """Refuse the file of another year: its ids mean other classes, and every score would be wrong."""
    official = OFFICIAL[dataset.name]
    if official.one_class or not official.class_names:
        return
    found = [plain(category.name) for category in dataset.categories]
    expected = [plain(name) for name in official.class_names]
    agreeing = sum(a == b for a, b in zip(found, expected, strict=False))
    # Not every name must agree: some copies of the files spell single names differently.
    if len(found) != len(expected) or agreeing < 0.75 * len(expected):
        raise DataError(
            f"{path}: its {len(found)} classes are not the {len(expected)} of {official.title}. Is it the "
            "file of another year? Open it by its path, or correct the data root."
        )


def _open_shapes(name: str, split: str, cache_root: Path | None) -> Dataset:
    splits = _SHAPES_SPLITS[name]
    if split not in splits:
        raise UsageError(f"{name} has no split {split!r}. Known: {', '.join(splits)}.")
    from vis_bench.data.shapes import ensure_shapes

    folder = ensure_shapes(name, split, default_cache_root() if cache_root is None else cache_root)
    annotations = folder / f"instances_{split}.json"
    with saying_that_it_is_made_anew(folder):
        return open_annotations(annotations, folder / "JPEGImages", name, split, cache_root)


def _existing_path(name_or_path: str) -> Path:
    path = from_home(name_or_path)
    if path.exists():
        return path
    if "/" in name_or_path or "\\" in name_or_path or path.suffix in (".json", ".gz"):
        raise DataError(f"{path}: no such file or folder.")
    raise UsageError(
        f"Unknown dataset {name_or_path!r}.{did_you_mean(name_or_path, known_datasets())} "
        "A folder or annotation file can be given by its path."
    )


def _splits_of_folder(folder: Path) -> dict[str, Path]:
    found = folder_splits(folder)
    if not found:
        raise DataError(
            f"{folder}: no annotation file found. Expected <split>/instances_<split>.json beside "
            "<split>/JPEGImages/, or instances_<split>.json or <split>.json in the folder itself."
        )
    return found


def _open_path(path: Path, split: str | None, cache_root: Path | None) -> Dataset:
    if path.is_file():
        annotations = path
        chosen = split_of_file(path)
        if split is not None and split != chosen:
            raise UsageError(
                f"{path} is one file with split {chosen!r}; it has no split {split!r}. Give the folder that "
                "holds both, or score a checkpoint: vis-bench run --weights FILE --no-train."
            )
        name = path.name.removesuffix(".gz").removesuffix(".json")
    else:
        found = _splits_of_folder(path)
        chosen = split or default_split(str(path))
        if chosen not in found:
            raise UsageError(f"{path} has no split {chosen!r}. Found: {', '.join(sorted(found))}.")
        annotations = found[chosen]
        name = path.resolve().name
    if name in known_datasets():
        # A folder named `ovis` is not the catalogued dataset: its `train` is another set of videos.
        name = f"path:{name}"
    dataset = open_annotations(annotations, None, name, chosen, cache_root)
    first_frame = dataset.videos[0].file_names[0] if dataset.videos else None
    return replace(dataset, image_root=image_root_beside(annotations, chosen, first_frame))
