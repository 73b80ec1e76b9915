"""What MOTS txt and MOTS PNG share: an object's number is class * 1000 + n, and 10000 is a region to ignore.

Source: KITTI MOTS and MOTSChallenge, annotation format (mots_tools): 1 car, 2 pedestrian, 10 ignore.
"""

from __future__ import annotations

from collections.abc import Iterable

from vis_bench.errors import DataError, UsageError
from vis_bench.integrations.formats.content import Content, Object
from vis_bench.types import Category, Dataset

PER_CLASS = 1000
IGNORED_CLASS = 10
_NAMES = {1: "car", 2: "pedestrian"}


def classes_of(found: Iterable[int], reference: Dataset | None, where: str) -> tuple[Category, ...]:
    """The classes of a file with these class numbers; those of the truth where there is one.

    Raises DataError for a class that the truth does not have, and where there is no object at all.
    """
    numbers = sorted(set(found))
    if reference is None:
        if not numbers:
            raise DataError(f"{where}: holds no object, so it has no classes either.")
        return tuple(Category(number, _NAMES.get(number, f"class {number}")) for number in numbers)
    known = {category.id for category in reference.categories}
    unknown = [number for number in numbers if number not in known]
    if unknown:
        raise DataError(
            f"{where}: class {unknown[0]} (the thousands of the object's number) is not in {reference.name}."
        )
    return reference.categories


def mots_numbers(content: Content, largest: int | None = None) -> dict[int, int]:
    """class * 1000 + n of every object by its id; n counts the objects of a class within a video from 0.

    largest: what a pixel can hold. Raises UsageError for more than 1,000 objects of one class in a video,
    for a class that would be read as `ignore`, and for numbers that do not fit.
    """
    count: dict[tuple[int, int], int] = {}
    numbers = {}
    for one in content.objects:
        key = one.video_id, one.category_id
        number = count.get(key, 0)
        count[key] = number + 1
        whole = one.category_id * PER_CLASS + number
        too_large = largest is not None and whole > largest
        if number >= PER_CLASS or one.category_id == IGNORED_CLASS or one.category_id < 1 or too_large:
            raise UsageError(_refusal(one, number))
        numbers[one.id] = whole
    return numbers


def _refusal(one: Object, number: int) -> str:
    return (
        f"MOTS cannot hold object {one.id} (class {one.category_id}, number {number} of its class in the "
        "video): classes are 1 to 65 without 10 (ignore), with up to 1,000 objects each. Convert to burst or "
        "coco-video."
    )
