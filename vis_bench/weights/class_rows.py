"""Class heads whose classes change: which rows belong to which class."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from vis_bench.method import ClassHead


def head_of(name: str, heads: Sequence[ClassHead]) -> ClassHead | None:
    """The class head that a tensor belongs to, or None."""
    return next((head for head in heads if re.match(head.name, name)), None)


def rows_of_class(head: ClassHead, number: int) -> slice:
    """Rows of class `number` (0-based) along the first dimension."""
    first = (number + (head.background == "first")) * head.rows
    return slice(first, first + head.rows)


def background_rows(head: ClassHead, rows: int) -> slice | None:
    """Rows of the background in a head of `rows` rows, None where there is no background."""
    if head.background == "none":
        return None
    return slice(0, head.rows) if head.background == "first" else slice(rows - head.rows, rows)


def copy_rows(
    head: ClassHead, own: Tensor, given: Tensor, classes: Sequence[str], given_classes: Sequence[str]
) -> Tensor:
    """`own` with the rows of `given` where a class name is in both lists, and of the background.

    own: [R, ...] with the rows of `classes`; given: [S, ...] with those of `given_classes`, both laid out as
    `head` says. Returns a new tensor of the shape of `own`. Names are compared without case, `_` as a blank.
    """
    taken = own.clone()
    numbers = {_plain(name): number for number, name in enumerate(given_classes)}
    with torch.no_grad():
        for number, name in enumerate(classes):
            if (source := numbers.get(_plain(name))) is not None:
                taken[rows_of_class(head, number)] = given[rows_of_class(head, source)]
        target = background_rows(head, len(own))
        if target is not None:
            taken[target] = given[background_rows(head, len(given))]
    return taken


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", " ")


def classes_in(shapes: Mapping[str, Sequence[int]], heads: Sequence[ClassHead]) -> int | None:
    """Number of classes of a file, from the first class head among its tensors; None without one."""
    for name, shape in shapes.items():
        head = head_of(name, heads)
        if head is not None and shape:
            return shape[0] // head.rows - (head.background != "none")
    return None
