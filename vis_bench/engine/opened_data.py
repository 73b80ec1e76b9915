"""The data of a sweep: what is scored, what is trained on, and that the two may meet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vis_bench.data import catalog, splits
from vis_bench.data.coco import open_coco
from vis_bench.data.extra import ExtraImages, PseudoMotion
from vis_bench.data.frames import require_frames, require_upright
from vis_bench.data.given_truth import with_truth
from vis_bench.data.lessons import require_lessons
from vis_bench.data.official import OFFICIAL, hides_truth
from vis_bench.data.overlap import seen_videos
from vis_bench.errors import DataError
from vis_bench.records.run import DataIdentity
from vis_bench.setup.protocol import Extra
from vis_bench.types import Dataset

if TYPE_CHECKING:
    from vis_bench.engine.run import Settings

NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class OpenedData:
    """Datasets of a sweep. train is None when nothing is trained; extra: images mixed in, or None. tuning:
    what chooses the operating point, None where the evaluated videos do it themselves. seen: names of the
    evaluated videos that are trained on as well, which --allow-overlap has let pass.
    """

    evaluated: Dataset
    train: Dataset | None
    extra: ExtraImages | None = None
    tuning: Dataset | None = None
    seen: tuple[str, ...] = ()

    @property
    def overlap_note(self) -> str | None:
        """What a record says of videos that were trained on and scored; None where there are none."""
        if not self.seen:
            return None
        return (
            f"{len(self.seen)} of {len(self.evaluated.videos)} scored videos were trained on "
            f"({_some(self.seen)}): --allow-overlap"
        )


def open_data(settings: Settings) -> OpenedData:
    """Open the evaluated dataset (limited) and the one to train on. Raises DataError, UsageError."""
    evaluated = catalog.open_dataset(
        settings.dataset, settings.split, settings.data_root, settings.cache_root
    )
    if settings.truth is not None:
        evaluated = with_truth(evaluated, settings.truth, settings.cache_root)
    if settings.limit is not None:
        evaluated = splits.first_videos(evaluated, settings.limit)
    require_frames(evaluated)
    require_upright(evaluated)
    tuning = _open_tuning(settings, evaluated)
    if not settings.train:
        return OpenedData(evaluated, None, tuning=tuning)
    name = settings.train_dataset
    # the hidden official splits leave all labelled videos for training; devval keeps its own videos out
    hidden = name in OFFICIAL and hides_truth(evaluated.name, evaluated.split)
    trained_on = catalog.open_dataset(
        name, "train-full" if hidden else "train", settings.data_root, settings.cache_root
    )
    require_frames(trained_on)
    require_upright(trained_on)
    _require_same_classes(trained_on, evaluated)
    require_lessons(trained_on)
    seen = seen_videos(trained_on, evaluated)
    if seen and not settings.allow_overlap:
        raise DataError(
            f"{len(seen)} of the {len(evaluated.videos)} videos of {evaluated.name} {evaluated.split} would "
            f"be trained on and scored ({_some(seen)}): the same pictures are in {trained_on.name} "
            f"{trained_on.split}. Take them out of one of the two, name another --split, score a checkpoint "
            "with --weights FILE --no-train, or go on with --allow-overlap, which the record will say."
        )
    extra = _open_extra(settings.protocol.training.extra, trained_on)
    return OpenedData(evaluated, trained_on, extra, tuning, seen)


def identity(dataset: Dataset) -> DataIdentity:
    """The part of a dataset that a record keeps."""
    return DataIdentity(
        name=dataset.name,
        split=dataset.split,
        annotation_hash=dataset.annotation_hash,
        split_hash=dataset.split_hash,
        videos=len(dataset.videos),
    )


def _open_tuning(settings: Settings, evaluated: Dataset) -> Dataset | None:
    """The videos that the protocol chooses the operating point on; None where it names none, nothing is
    scored, or they would be scored themselves.
    """
    rule = settings.protocol.operating_point
    if rule.split is None or evaluated.tracks is None:
        return None
    found = catalog.open_dataset(settings.train_dataset, rule.split, settings.data_root, settings.cache_root)
    if found.annotation_hash == evaluated.annotation_hash and splits.crossing_videos(found, evaluated):
        return None
    found = found if rule.videos is None else splits.first_videos(found, rule.videos)
    require_frames(found)
    return found


def _open_extra(extra: Extra | None, train: Dataset) -> ExtraImages | None:
    """The images that the protocol mixes in, with the categories of the videos trained on."""
    if extra is None:
        return None
    folder = Path(extra.images) if extra.images is not None else None
    dataset = open_coco(Path(extra.path), train.categories, folder)
    require_frames(dataset)
    return ExtraImages(dataset, PseudoMotion(extra.smallest_crop, extra.degrees), extra.share)


def _require_same_classes(train: Dataset, evaluated: Dataset) -> None:
    """Refuse labels that mean different classes."""
    if train.categories != evaluated.categories:
        raise DataError(
            f"{train.name} {train.split} and {evaluated.name} {evaluated.split} have different categories "
            f"({len(train.categories)} and {len(evaluated.categories)}); ids and names must agree, or a "
            "label means one class where it is learned and another where it is scored."
        )


def _some(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{', '.join(names[:NAMES_SHOWN])}{more}"
