"""The card of a split: how its videos were chosen, hashes, counts, and what is known of leakage to other
sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vis_bench.data import catalog
from vis_bench.data.official import OFFICIAL, hides_truth
from vis_bench.data.splits import HELD_OUT_FRACTION, crossing_videos, name_hash
from vis_bench.data.stats import dataset_stats
from vis_bench.errors import DataError, VisBenchError
from vis_bench.types import Dataset

SHARED_YEARS = ("ytvis19", "ytvis21", "ytvis22")
"""They have most of their videos in common."""


@dataclass(frozen=True, slots=True)
class DataCard:
    """rule: how the videos were chosen. hashes, counts: empty where the data is not here; missing then says
    why. leakage: sentences, what was compared and what is only known. cut: largest name hash that is held
    out."""

    name: str
    split: str
    title: str
    rule: str
    hashes: Mapping[str, str]
    counts: Mapping[str, Any]
    leakage: tuple[str, ...]
    missing: str = ""
    cut: str = ""

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | {
            "leakage": list(self.leakage)
        }


def data_card(name: str, split: str | None = None, data_root: Path | None = None) -> DataCard:
    """The card of a data set by name or path; split None is the one that is evaluated on.

    Without the data on disk it says the rule and what is known. Raises UsageError for an unknown name or
    split, DataError for a path that cannot be opened and for data that is broken.
    """
    chosen = split or catalog.default_split(name)
    official = name in OFFICIAL
    opened, missing = None, ""
    try:
        opened = catalog.open_dataset(name, chosen, data_root)
    except DataError as error:
        if not official:
            raise
        missing = str(error).splitlines()[0]
    leakage = [*_known(name, chosen)]
    if opened is not None and official:
        leakage += _compared(name, chosen, opened, data_root)
    return DataCard(
        name=name,
        split=chosen,
        title=OFFICIAL[name].title if official else name,
        rule=_rule(name, chosen),
        hashes={} if opened is None else {"annotations": opened.annotation_hash, "videos": opened.split_hash},
        counts={} if opened is None else _counts(opened),
        leakage=tuple(leakage),
        missing=missing,
        cut=max(name_hash(video.name) for video in opened.videos) if opened and chosen == "devval" else "",
    )


def _rule(name: str, split: str) -> str:
    if name in HELD_OUT_FRACTION and split in ("devval", "train"):
        fraction = HELD_OUT_FRACTION[name]
        part = f"{fraction.numerator}/{fraction.denominator}"
        text = (
            "The folder names of the official training file are sorted by the SHA-256 of the name (UTF-8, "
            f"hexadecimal). The first ceil(videos x {part}) of this order are `devval`, the others `train`."
        )
        if name in ("ytvis21", "ytvis22"):
            text += (
                " Where the training file of 2019 lies under the same data root, the cut is at the hash of "
                "its own "
                "last held-out video instead, so that a video of both years is on one side in both."
            )
        return text
    if name in OFFICIAL:
        hidden = " Its truth is not public." if hides_truth(name, split) else ""
        return f"The official split as its owners give it out.{hidden}"
    if name in catalog.known_datasets():
        return "Drawn by the generator of `shapes` from fixed seeds; its version is in the hash."
    return "A user's own split, as the file says."


def _known(name: str, split: str) -> list[str]:
    """What is known without looking at any file."""
    found = []
    if name in SHARED_YEARS:
        others = " and ".join(other for other in SHARED_YEARS if other != name)
        found.append(
            f"Most videos are those of {others} too: whoever trains on another year has seen what is held "
            "out here, "
            "unless both are cut at the hash of 2019."
        )
        found.append(
            "The official validation videos are no part of it: numbers on `devval` are none of the "
            "validation set."
        )
    if name in OFFICIAL and split == "devval":
        found.append(
            "Public checkpoints of video methods were trained on the whole official training set, so they "
            "have seen "
            "every video of `devval`: their numbers here are no generalisation."
        )
        found.append(
            "COCO, on which they and the image stages start, shares no known video; frames were not compared "
            "with "
            "its images."
        )
    return found


def _compared(name: str, split: str, opened: Dataset, data_root: Path | None) -> list[str]:
    """Names of videos that the training parts of data sets at hand share with this split."""
    found = []
    for other in OFFICIAL:
        part = "train"
        if other == name and split == "train":
            continue
        try:
            train = catalog.open_dataset(other, part, data_root)
        except VisBenchError:
            continue
        shared = len(crossing_videos(train, opened))
        said = (
            f"{shared} of {len(opened.videos)} video names are in {other} {part} ({len(train.videos)} videos)"
        )
        found.append(f"{said}, hash of its videos {train.split_hash[:16]}.")
    if not any(f"in {other} " in text for text in found for other in OFFICIAL if other != name):
        found.append("No other data set lies under the same data root, so none was compared.")
    return found


def _counts(opened: Dataset) -> dict[str, Any]:
    stats = dataset_stats(opened)
    names = ("videos", "frames", "tracks", "crowd_tracks", "masks")
    counts: dict[str, Any] = {name: stats[name] for name in names if name in stats}
    counts["classes"] = len(opened.categories)
    if "tracks_by_category" in stats:
        counts["classes_with_tracks"] = sum(count > 0 for count in stats["tracks_by_category"].values())
    return counts


def card_markdown(card: DataCard) -> str:
    """The card as a page."""
    lines = [f"# {card.title}: `{card.name}` {card.split}", "", "## Rule", "", card.rule, ""]
    lines += ["## Identity", ""]
    if card.missing:
        lines += [f"The data is not here, so nothing was counted: {card.missing}", ""]
    lines += [f"- {key}: SHA-256 `{value}`" for key, value in card.hashes.items()]
    if card.cut:
        lines.append(f"- last held-out video: name hash `{card.cut}`")
    lines += [f"- {key.replace('_', ' ')}: {value:,}" for key, value in card.counts.items()]
    lines += ["", "## Leakage", "", *(f"- {text}" for text in card.leakage or ("Nothing is known.",))]
    lines += ["", f"Made by `vis-bench data card {card.name} --split {card.split}`."]
    return "\n".join(lines)
