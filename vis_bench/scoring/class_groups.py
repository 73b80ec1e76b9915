"""Groups of classes with an AP of their own, such as the base and novel classes of LV-VIS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vis_bench.errors import DataError, did_you_mean
from vis_bench.files import read_json
from vis_bench.types import Dataset

ClassGroups = str | Path | Mapping[str, Sequence[str | int]]
"""A JSON file, or its content: name of the group -> names (or ids) of its classes."""


def parse_class_groups(given: ClassGroups | None, dataset: Dataset) -> dict[str, tuple[int, ...]]:
    """Category ids by the name of their group; none for None.

    Raises DataError for a file that does not hold lists of classes by name, and for a class that the data set
    does not have.
    """
    if given is None:
        return {}
    where = str(given) if isinstance(given, str | Path) else "class groups"
    content = read_json(Path(given)) if isinstance(given, str | Path) else given
    if not isinstance(content, Mapping) or not content:
        raise DataError(f'{where}: must be an object such as {{"base": ["person", ...], "novel": [...]}}.')
    return {
        str(name): _ids(f"{where}, group {name!r}", classes, dataset) for name, classes in content.items()
    }


def _ids(where: str, classes: Any, dataset: Dataset) -> tuple[int, ...]:
    if not isinstance(classes, Sequence) or isinstance(classes, str) or not classes:
        raise DataError(f"{where}: must be a list of class names or ids, found {classes!r:.60}.")
    by_name = {category.name: category.id for category in dataset.categories}
    ids = set(by_name.values())
    result = []
    for one in classes:
        is_id = isinstance(one, int) and not isinstance(one, bool) and one in ids
        found = one if is_id else by_name.get(str(one))
        if found is None:
            known = did_you_mean(str(one), by_name)
            raise DataError(f"{where}: {dataset.name} has no class {one!r}.{known}")
        result.append(found)
    if len(set(result)) < len(result):
        raise DataError(f"{where}: names a class twice. List each once.")
    return tuple(result)
