"""The records that `vis-bench compare` is asked for: by the names of the tables, or as run directories."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vis_bench.errors import DataError, NotComparableError, UsageError, did_you_mean
from vis_bench.records.columns import Record
from vis_bench.records.keys import DATA_KEY_NAMES, KEY_NAMES, comparable_key, data_key
from vis_bench.records.rows import DONE, Block, Protocols, Row, build_blocks
from vis_bench.records.run import RECORD_NAME, find_records, read_record


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as a dictionary and the directory of its run."""

    record: Record
    folder: Path


@dataclass(frozen=True, slots=True)
class Chosen:
    """One side of a comparison: a row of a table with the directory of each of its done runs by seed."""

    label: str
    block: Block
    row: Row
    folders: Mapping[int, Path]

    @property
    def fixed(self) -> bool:
        """One foreign result: a fixed checkpoint, which stands beside every seed of the others."""
        return self.row.foreign and len(self.folders) == 1

    def folder(self, seed: int) -> Path:
        """The run directory of a seed; that of a fixed checkpoint whatever the seed."""
        return next(iter(self.folders.values())) if self.fixed else self.folders[seed]


def read_stored(places: Iterable[Path]) -> list[Stored]:
    """All records at or below the places. Raises DataError for a missing place or a malformed record."""
    return [Stored(read_record(path).model_dump(mode="json"), path.parent) for path in find_records(places)]


def choose(
    names: Sequence[str],
    stored: Sequence[Stored],
    protocols: Protocols,
    dataset: str | None = None,
    split: str | None = None,
    protocol: str | None = None,
) -> list[Chosen]:
    """The rows of these names, all of one block of comparable runs.

    names: as tables show a method (`stc`, `inspro@A`), `method@configuration`, or a run directory or a folder
    of runs of one method; directories of further seeds of the same runs count as one side. stored: where
    names are looked for. dataset, split, protocol: keep only records of these.

    Raises UsageError for a name that is unknown, given twice or found in several blocks, DataError for two
    records of one seed and where nothing is done, NotComparableError naming the fields that differ.
    """
    if len(names) < 2:
        raise UsageError("A comparison needs at least two methods: vis-bench compare A B.")
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise UsageError(f"{twice!r} is named twice. A comparison is between different methods.")

    def wanted(one: Stored) -> bool:
        # what was made elsewhere has no protocol
        known = None if one.record.get("foreign") else protocol
        pairs = ((dataset, "dataset"), (split, "split"), (known, "protocol"))
        return all(value is None or one.record[field] == value for value, field in pairs)

    kept = [one for one in stored if wanted(one)]
    labels: list[str] = []
    sides: list[list[Stored]] = []
    for name in names:
        new = read_stored([Path(name)]) if is_path(name) else []
        same = next((side for side in sides if new and side and _further_seeds(side, new)), None)
        if same is not None:
            same += new
            continue
        labels.append(name)
        sides.append(new)
    if len(sides) < 2:
        raise UsageError(f"{', '.join(names)} are seeds of one method. Name a second method to compare with.")
    found = [
        _of_folder(label, side, protocols) if is_path(label) else _by_name(label, kept, protocols)
        for label, side in zip(labels, sides, strict=True)
    ]
    return _in_one_block(labels, found)


def is_path(name: str) -> bool:
    """Whether a name is a file or folder rather than a method: with a separator, or a run directory here."""
    return ("/" in name and Path(name).exists()) or (Path(name) / RECORD_NAME).is_file()


def _further_seeds(side: Sequence[Stored], new: Sequence[Stored]) -> bool:
    """Whether new records repeat the runs of a side with other seeds."""

    def runs(stored: Sequence[Stored]) -> list[tuple[object, ...]]:
        fields = ("method", "config", "config_values", "initial_weights")
        return [(*comparable_key(one.record), *(one.record[field] for field in fields)) for one in stored]

    seeds, others = ({one.record["seed"] for one in stored} for stored in (side, new))
    return not seeds & others and all(run == runs(side)[0] for run in [*runs(side), *runs(new)])


def _of_folder(name: str, stored: Sequence[Stored], protocols: Protocols) -> list[Chosen]:
    """The rows of a folder: one, or an error that says which there are."""
    found = _rows(stored, protocols)
    if len(found) != 1:
        texts = sorted({f"{one.label} on {one.block.dataset} {one.block.split}" for one in found})
        labels = ", ".join(texts[:3] + ["..."] * (len(texts) > 3)) or "none"
        raise UsageError(f"{name}: runs of one method on one dataset are needed, found: {labels}.")
    return found


def _by_name(name: str, stored: Sequence[Stored], protocols: Protocols) -> list[Chosen]:
    """Rows with this label, one per block."""
    # other methods are left out first: what is wrong with their records is not in the way here
    method = name.partition("@")[0].partition("[")[0]
    rows = _rows([one for one in stored if one.record["method"] == method], protocols)
    found = [one for one in rows if name in (one.label, _full_label(one.row))]
    if not found:
        labels = {one.label for one in rows} or {str(one.record["method"]) for one in stored}
        raise UsageError(f"No records of {name!r}.{did_you_mean(name, labels)}")
    return found


def _full_label(row: Row) -> str:
    return row.label(None)


def _rows(stored: Sequence[Stored], protocols: Protocols) -> list[Chosen]:
    """Every row of the records. Raises DataError for two records of one seed."""
    folders = {id(one.record): one.folder for one in stored}
    return [
        Chosen(
            row.label(block.default_config),
            block,
            row,
            {record["seed"]: folders[id(record)] for record in row.records if record["status"] == DONE},
        )
        for block in build_blocks([one.record for one in stored], protocols)
        for row in block.rows
    ]


def _in_one_block(names: Sequence[str], found: Sequence[Sequence[Chosen]]) -> list[Chosen]:
    keys = _keys(found)
    shared = set(keys[0]).intersection(*keys[1:])
    if not shared:
        raise NotComparableError(_what_differs(names, keys))
    if len(shared) > 1:
        places = "; ".join(
            sorted(f"{one.dataset} {one.split}, protocol {one.protocol}" for one in _blocks(keys, shared))
        )
        raise UsageError(
            f"{', '.join(names)} have records in several tables: {places}. "
            "Choose one with --dataset, --split and --protocol, or with a folder in --records."
        )
    (key,) = shared
    chosen = [rows[key] for rows in keys]
    labels = [one.label for one in chosen]
    chosen = [
        # two states of one method have one label; then the folders tell them apart
        replace(one, label=name) if labels.count(one.label) > 1 else one
        for name, one in zip(names, chosen, strict=True)
    ]
    for one in chosen:
        if not one.folders:
            seeds = "; ".join(f"seed {seed} {status}: {text}" for seed, status, text in one.row.problems)
            raise DataError(f"{one.label}: no run with numbers ({seeds}).")
    return chosen


def _keys(found: Sequence[Sequence[Chosen]]) -> list[dict[tuple[str, ...], Chosen]]:
    """The rows of each side by what makes them comparable; a foreign row has the keys of what it joins."""
    own = [[one for one in rows if not one.row.foreign] for rows in found]
    natives = [one for rows in own for one in rows]
    keys = [{_key(one): one for one in rows} for rows in own]
    for side, rows in zip(keys, found, strict=True):
        for one in rows:
            if one.row.foreign:
                joined = [_key(other) for other in natives if _data_key(other) == _data_key(one)]
                # without a run of our own there is nothing but the data to agree on
                side.update(dict.fromkeys(joined or [(*_data_key(one), "")], one))
    return keys


def _data_key(one: Chosen) -> tuple[str, ...]:
    return data_key(one.row.records[0])


def _blocks(
    sides: Sequence[Mapping[tuple[str, ...], Chosen]], keys: Iterable[tuple[str, ...]]
) -> list[Block]:
    """The block behind each key; that of a run of our own, where there is one."""
    return [min((rows[key] for rows in sides), key=lambda one: one.row.foreign).block for key in keys]


def _key(one: Chosen) -> tuple[str, ...]:
    return comparable_key(one.row.records[0])


def _what_differs(names: Sequence[str], keys: Sequence[Mapping[tuple[str, ...], Chosen]]) -> str:
    """The fields in which the closest records of two methods without a common table differ."""
    first, other = next(
        ((0, k) for k in range(1, len(keys)) if not set(keys[0]) & set(keys[k])), (0, len(keys) - 1)
    )
    pairs = [_comparable(a, b) for a in keys[first].values() for b in keys[other].values()]
    _, a, b = closest = min(pairs, key=lambda pair: sum(x != y for x, y in zip(*pair[1:], strict=True)))
    fields = [
        f"{name} ({_short(x)} and {_short(y)})" for name, x, y in zip(closest[0], a, b, strict=True) if x != y
    ]
    return (
        f"{names[first]} and {names[other]} are not comparable: they differ in "
        f"{', '.join(fields) or 'data'}. Numbers are compared only "
        "on the same videos under the same protocol; run both again alike."
    )


def _comparable(a: Chosen, b: Chosen) -> tuple[Sequence[str], tuple[str, ...], tuple[str, ...]]:
    """(names, values of a, values of b) of what two rows have to share; less where one was made elsewhere."""
    if a.row.foreign or b.row.foreign:
        return DATA_KEY_NAMES, _data_key(a), _data_key(b)
    return KEY_NAMES, _key(a), _key(b)


def _short(value: str) -> str:
    """A value for a message; of a hash its beginning is enough, words stay whole."""
    hashed = len(value) > 20 and " " not in value
    return f"{value[:8]}..." if hashed else value or "none"
