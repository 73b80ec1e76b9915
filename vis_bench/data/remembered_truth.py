"""Where the truth of imported predictions lay: told once, found again by every later command.

A file beside the record, no field of it: records travel in bundles, and places on a disk are nobody else's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vis_bench.data import catalog
from vis_bench.errors import DataError, VisBenchError
from vis_bench.files import read_json, write_json
from vis_bench.types import Dataset

# a file `truth.json` beside predictions is somebody's truth
TRUTH_NAME = "truth_place.json"


# what no system takes as a path would end in an error of its own
_Place = Annotated[str, Field(pattern=r"^[^\x00]+$")]


class RememberedTruth(BaseModel):
    """places: of an annotation file or data set, absolute or relative to the run directory, the best first.
    dataset, split: what the record calls it. annotation_hash: as in `vis_bench.types.Dataset`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    places: tuple[_Place, ...] = Field(min_length=1)
    dataset: str
    split: str
    annotation_hash: str

    def found_from(self, folder: Path) -> tuple[Path, ...]:
        """The places as paths, for a run in `folder`."""
        return tuple(folder / place for place in self.places)


def remember_truth(folder: Path, place: Path, truth: Dataset) -> None:
    """Write into a run directory where its truth lies, so that it is also found once both have moved."""
    relative = Path(os.path.relpath(place.resolve(), folder.resolve())).as_posix()
    _write(folder, RememberedTruth(
        places=(str(place.resolve()), relative),
        dataset=truth.name,
        split=truth.split,
        annotation_hash=truth.annotation_hash,
    ))  # fmt: skip


def carry_memory(source: Path, target: Path) -> None:
    """Copy what one run directory remembers into another one, from where other relative paths lead there."""
    known = recall_truth(source)
    if known is not None:
        places = dict.fromkeys(str(place.resolve()) for place in known.found_from(source))
        _write(target, known.model_copy(update={"places": tuple(places)}))


def recall_truth(folder: Path) -> RememberedTruth | None:
    """What a run directory remembers; None where it was told nothing. Raises DataError for a damaged file."""
    path = folder / TRUTH_NAME
    if not path.is_file():
        return None
    try:
        return RememberedTruth.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}. Remove it, and import again."
        ) from None


def open_told_truth(
    recorded: str,
    split: str,
    annotation_hash: str,
    *,
    told: str | None = None,
    folders: Sequence[Path] = (),
    data_root: str | Path | None = None,
    option: str = "--dataset PATH",
) -> Dataset:
    """The data of a record: where it is told to lie, else where its run remembers it, else by its name.

    recorded: the name in the record, which what is remembered gets too. annotation_hash: of the record's
    data. told: a name or path given for this call. folders: run directories on this data. option: the one
    that tells it, for messages. A remembered place counts only where its annotations have the record's hash;
    in all other cases whether the hash fits is for the caller to see.

    Raises DataError (exit code 3), whatever the reason, naming the option.
    """
    if told is not None:
        try:
            return catalog.open_recorded(told, split, annotation_hash, data_root, recorded)
        except VisBenchError as error:
            raise _not_found(recorded, split, str(error), option) from error
    reasons: dict[str, None] = {}
    for folder in folders:
        known = recall_truth(folder)
        for place in known.found_from(folder) if known and known.annotation_hash == annotation_hash else ():
            try:
                opened = catalog.open_recorded(str(place), split, annotation_hash, data_root, recorded)
            except (VisBenchError, OSError) as error:
                # also a place on a disk that cannot be read now
                reasons.setdefault(f"{str(error).removesuffix('.')}.")
                continue
            if opened.annotation_hash == annotation_hash:
                return replace(opened, name=recorded)
            reasons.setdefault(f"{place}: its annotations have changed since they were scored.")
    first = next(iter(reasons), "")
    if first and recorded not in catalog.known_datasets():
        # truth in a foreign format was converted, and only an import does that; a file of another name is
        # another data set to it
        again = "or by importing the predictions again with the truth under the same file name"
        raise _not_found(recorded, split, first, f"{option}, {again}")
    try:
        opened = catalog.open_recorded(recorded, split, annotation_hash, data_root)
    except VisBenchError as error:
        raise _not_found(recorded, split, first or str(error), option) from error
    if first and opened.annotation_hash != annotation_hash:
        raise _not_found(recorded, split, first, option)
    return opened


def open_truth_beside(predictions: Path, option: str = "--truth FILE") -> Dataset | None:
    """The remembered truth of a file of predictions in a run directory; None where nothing is remembered.

    Raises DataError where it is not there any more, as `open_told_truth`.
    """
    known = recall_truth(predictions.parent)
    if known is None:
        return None
    return open_told_truth(
        known.dataset, known.split, known.annotation_hash, folders=[predictions.parent], option=option
    )


def _not_found(recorded: str, split: str, reason: str, option: str) -> DataError:
    return DataError(
        f"The truth of {recorded} {split} is needed to score the predictions again: {reason} Where it lies "
        f"is said with {option}."
    )


def _write(folder: Path, known: RememberedTruth) -> None:
    write_json(folder / TRUTH_NAME, known.model_dump(mode="json"))
