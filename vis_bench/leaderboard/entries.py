"""What stands on a leaderboard: the rows of all bundles, each with what came of checking it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vis_bench.bundles.manifest import SUFFIX
from vis_bench.bundles.opened import Bundle, OpenedRun, open_bundle
from vis_bench.bundles.rescore import Number, numbers_of, open_truth_of, statistics_of
from vis_bench.errors import DataError, VisBenchError
from vis_bench.records.keys import comparable_key, data_key, row_key
from vis_bench.records.rows import Block, Protocols, Row, build_blocks, installed_protocols
from vis_bench.report.speed.rates import with_rates
from vis_bench.scoring.statistics import Statistics
from vis_bench.types import Dataset

Checked = Literal["re-scored", "differs", "claimed"]


@dataclass(frozen=True, slots=True)
class CheckedRun:
    """A run with what its predictions give. differing: claims that are not so. reason: why it was not scored
    again, empty where it was. truth, statistics: of its videos, None where it was not."""

    run: OpenedRun
    record: Mapping[str, Any]
    differing: tuple[Number, ...]
    reason: str
    truth: Dataset | None
    statistics: Statistics | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a table: the seeds of one method in one bundle. source: name of the bundle below the
    folder."""

    label: str
    row: Row
    block: Block
    runs: tuple[CheckedRun, ...]
    bundle: Bundle
    source: str

    @property
    def checked(self) -> Checked:
        """`re-scored` where every seed was and is equal, `differs` where one is not, else `claimed`."""
        if any(one.differing for one in self.runs):
            return "differs"
        return "claimed" if any(one.statistics is None for one in self.runs) else "re-scored"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it was not scored again, each reason once."""
        return tuple(dict.fromkeys(one.reason for one in self.runs if one.reason))


@dataclass(frozen=True, slots=True)
class Group:
    """Entries that may be compared: one data set, protocol, kind of region and training data."""

    block: Block
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Board:
    """groups: one a table. refused: (name, reason) of bundles that were not taken. protocols: of all
    bundles."""

    groups: tuple[Group, ...]
    refused: tuple[tuple[str, str], ...]
    protocols: Protocols


@contextmanager
def read_board(
    folder: Path,
    truths: Sequence[Path] = (),
    data_root: Path | None = None,
    rescore: bool = True,
    signers: Path | None = None,
    say: Callable[[str], object] = lambda text: None,
) -> Iterator[Board]:
    """Open and check every bundle below a folder; the bundles stay unpacked until the block ends.

    truths: annotation files that are looked through where the data set of a record is not here by its name.
    rescore: False takes all numbers as claimed. Raises DataError where there is no folder or no bundle in
    it, and where all are refused.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder (of bundles, *{SUFFIX}).")
    paths = sorted(folder.rglob(f"*{SUFFIX}"))
    if not paths:
        raise DataError(
            f"{folder}: holds no bundle (*{SUFFIX}). Make one: vis-bench bundle RUN... -o NAME{SUFFIX}"
        )
    with ExitStack() as stack:
        bundles: list[tuple[str, Bundle]] = []
        refused: list[tuple[str, str]] = []
        for path in paths:
            name = str(path.relative_to(folder))
            try:
                bundles.append((name, stack.enter_context(open_bundle(path, signers))))
            except VisBenchError as error:
                refused.append((name, str(error).replace(str(path), name)))
                say(f"refused    {error}")
        if not bundles:
            raise DataError(f"{folder}: no bundle can be taken: {refused[0][1]}")
        protocols = {**installed_protocols()}
        for _, one in bundles:
            protocols |= one.protocols
        check = _Checker(tuple(truths), data_root, rescore, {}, say)
        entries = [entry for name, one in bundles for entry in _entries(name, one, protocols, check)]
        yield Board(_grouped(entries), tuple(refused), protocols)


@dataclass(frozen=True, slots=True)
class _Checker:
    """Scores runs again, each data set being opened once."""

    truths: tuple[Path, ...]
    data_root: Path | None
    rescore: bool
    opened: dict[Any, Dataset | str]
    say: Callable[[str], object]

    def __call__(self, run: OpenedRun, record: Mapping[str, Any]) -> CheckedRun:
        if not self.rescore:
            return CheckedRun(run, record, (), "not asked for", None, None)
        key = (run.record.dataset, run.record.split, run.record.data, run.record.status)
        if key not in self.opened:
            self.opened[key] = self._open(run)
        truth = self.opened[key]
        if isinstance(truth, str):
            return CheckedRun(run, record, (), truth, None, None)
        self.say(f"scoring    {run.name}")
        try:
            statistics = statistics_of(run, truth)
        except DataError as error:
            return CheckedRun(run, record, (), str(error).replace(str(run.folder), ""), truth, None)
        numbers = numbers_of(run, truth, statistics)
        differing = tuple(one for one in numbers if one.verdict == "differs")
        return CheckedRun(run, record, differing, "", truth, statistics)

    def _open(self, run: OpenedRun) -> Dataset | str:
        """The truth of a run: of its data set by name, else the first file that is it; or why there is
        none."""
        reason = ""
        for place in (None, *self.truths):
            try:
                return open_truth_of(run.record, place, None, self.data_root)
            except VisBenchError as error:
                reason = reason or str(error)
        return reason


def _entries(source: str, bundle: Bundle, protocols: Protocols, check: _Checker) -> Iterator[Entry]:
    dumped = with_rates([run.record.model_dump(mode="json") for run in bundle.runs], bundle.speed)
    checked = {id(record): check(run, record) for run, record in zip(bundle.runs, dumped, strict=True)}
    for block in build_blocks(dumped, protocols):
        for row in block.rows:
            runs = tuple(checked[id(record)] for record in row.records)
            yield Entry(row.label(block.default_config), row, block, runs, bundle, source)


def _grouped(entries: Sequence[Entry]) -> tuple[Group, ...]:
    """One group for each key of comparable records; a foreign entry joins all with its data."""
    native: dict[tuple[str, ...], list[Entry]] = {}
    for entry in entries:
        if not entry.row.foreign:
            native.setdefault(comparable_key(entry.row.records[0]), []).append(entry)
    alone: dict[tuple[str, ...], list[Entry]] = {}
    seen = set()
    for entry in entries:
        mark = (entry.bundle.path, id(entry.row.records[0]))
        if not entry.row.foreign or mark in seen:
            # a foreign row stands in every block of its bundle
            continue
        seen.add(mark)
        key = data_key(entry.row.records[0])
        joined = [group for group in native.values() if data_key(group[0].row.records[0]) == key]
        for group in joined or [alone.setdefault(key, [])]:
            group.append(entry)
    groups = [Group(group[0].block, tuple(group)) for group in (*native.values(), *alone.values())]
    return tuple(sorted(groups, key=_place))


def _place(group: Group) -> tuple[Any, ...]:
    block = group.block
    key = comparable_key(group.entries[0].row.records[0])
    return block.dataset, block.split, block.iou_type != "segm", block.protocol, key


def same_method(a: Entry, b: Entry) -> bool:
    """Whether two entries claim to be the same method with the same configuration."""
    return row_key(a.row.records[0]) == row_key(b.row.records[0])
