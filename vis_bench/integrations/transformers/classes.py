"""Classes of a model that was trained elsewhere, and those of a data set: equal where their names are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vis_bench.data.official import plain
from vis_bench.errors import DataError

_NAMES_SHOWN = 10
# what the library writes where a model was saved without names
_NO_NAME = re.compile(r"LABEL_\d+")


@dataclass(frozen=True, slots=True)
class ClassMap:
    """to_own: [labels of the model] int64, the label of the data set or -1 for none. note: in words."""

    to_own: np.ndarray
    note: str


def map_classes(labels: Sequence[str], names: Sequence[str]) -> ClassMap:
    """Which class of the data set each label of the model is.

    Names are equal where their letters and digits are, in either case. Labels without names stand for the
    classes in order, where there are as many. Raises DataError where no label is a class of the data set.
    """
    if all(_NO_NAME.fullmatch(label) for label in labels) and len(labels) == len(names):
        return ClassMap(np.arange(len(labels)), "classes: the model has no names; label i is the i-th class")
    own = {_compared(name): number for number, name in enumerate(names)}
    to_own = np.array([own.get(_compared(label), -1) for label in labels], dtype=np.int64)
    mapped = [label for label, number in zip(labels, to_own, strict=True) if number >= 0]
    dropped = [label for label, number in zip(labels, to_own, strict=True) if number < 0]
    without = [name for number, name in enumerate(names) if number not in set(to_own.tolist())]
    if not mapped:
        raise DataError(
            f"none of the model's {len(labels)} classes ({_few(labels)}) is a class of the data set "
            f"({_few(names)}). Use a model that was trained on its classes."
        )
    parts = [f"classes: {len(mapped)} of the model's {len(labels)} are of the data set: {_few(mapped)}"]
    if dropped:
        parts.append(f"dropped: {_few(dropped)}")
    if without:
        parts.append(f"of the data set, not known to the model: {_few(without)}")
    return ClassMap(to_own, "; ".join(parts))


def in_order(labels: int, classes: int) -> np.ndarray:
    """Label i is class i, [labels] int64 with -1 where there is no such class: until names are known."""
    numbers = np.arange(labels)
    return np.where(numbers < classes, numbers, -1)


def _compared(name: str) -> str:
    return plain(name) or name


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return f"{', '.join(names[:_NAMES_SHOWN])}{more}"
