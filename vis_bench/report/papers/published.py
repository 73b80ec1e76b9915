"""Numbers that papers print: their tables as data, and where they contradict one another.

Data: `protocols/papers/`, one JSON file per paper, `conflicts.json` and `terms.json` (what the papers' words
for data sets and backbones mean here). Methods are named in that data only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from vis_bench.errors import DataError, UsageError, did_you_mean

_CONFLICTS, _TERMS = "conflicts.json", "terms.json"
_FORBID = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One row, its numbers as printed (percent, counts, frames per second, millions).

    published: by the paper's metric name, None is a printed dash; FPS_upper_bound holds a printed `< value`.
    std: what is printed behind ±. backbone: None where not printed; backbone_assumed: ours in that case.
    dataset: None is the table's. setting: tells rows of one method apart. runs: methods here that make this
    row, the best fitting first, as `METHOD[@[CONFIG+]VARIANT][ KEY=VALUE ...]`. no_run: why there is none,
    where it is not that the method is absent. extra_data: trained on images besides the videos.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID
    method: str
    backbone: str | None
    published: dict[str, float | int | None]
    dataset: str | None = None
    setting: str | None = None
    std: dict[str, float] = field(default_factory=dict)
    runs: tuple[str, ...] = ()
    no_run: str | None = None
    extra_data: bool = False
    backbone_assumed: str | None = None


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """One table or figure of a paper; `table` is its number as printed (`2a`, `figure4`).

    dataset: of rows without their own. split: as the paper says it. same_splits: splits of records that hold
    the same videos, empty where no split of ours does.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID
    table: str
    caption: str
    dataset: str
    split: str
    same_splits: tuple[str, ...]
    rows: tuple[PublishedRow, ...]
    iou_type: Literal["segm", "bbox"] = "segm"
    notes: tuple[str, ...] = ()

    @property
    def is_figure(self) -> bool:
        """A figure, whose numbers are drawn and not printed."""
        return self.table.startswith("figure")

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metric names of all rows, in the order of their first appearance."""
        return tuple(dict.fromkeys(name for row in self.rows for name in row.published))

    def dataset_of(self, row: PublishedRow) -> str:
        """The data set of a row, in the paper's words."""
        return row.dataset or self.dataset


@dataclass(frozen=True, slots=True)
class PublishedClaim:
    """What a paper says of two rows of its table `table`: that `run` is higher than `against`, or alike.

    id: unique. run, against: the first of `runs` that make the rows. metrics: columns of the table, better
    when higher.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID
    id: str
    table: str
    text: str
    run: str
    against: str
    metrics: tuple[str, ...]
    expect: Literal["higher", "similar"] = "higher"


@dataclass(frozen=True, slots=True)
class PublishedPaper:
    """A paper. differences: what is done otherwise here, in all of its tables. trainings: how many its
    numbers are means of, None where it does not say. claims: what it says of pairs of rows.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID
    paper: str
    title: str
    source: str
    differences: tuple[str, ...]
    tables: tuple[PublishedTable, ...]
    trainings: int | None = None
    claims: tuple[PublishedClaim, ...] = ()

    def table(self, name: str) -> PublishedTable:
        """A table by its number. Raises UsageError with a suggestion."""
        for table in self.tables:
            if table.table == name:
                return table
        known = [f"{self.paper}:{table.table}" for table in self.tables]
        raise UsageError(
            f"Paper {self.paper!r} has no table {name!r}.{did_you_mean(f'{self.paper}:{name}', known)}"
        )


@dataclass(frozen=True, slots=True)
class CellSelection:
    """Cells that a contradiction is about: rows of `table` (`stc:2`) that equal every value given.

    metrics: empty for all. dataset: in the paper's words.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID
    table: str
    method: str | None = None
    backbone: str | None = None
    dataset: str | None = None
    setting: str | None = None
    metrics: tuple[str, ...] = ()

    def holds(self, table: PublishedTable, row: PublishedRow) -> bool:
        """Whether it selects cells of a row of its table."""
        found = (row.method, row.backbone, table.dataset_of(row), row.setting)
        wanted = (self.method, self.backbone, self.dataset, self.setting)
        return all(want is None or want == have for want, have in zip(wanted, found, strict=True))

    def metrics_of(self, row: PublishedRow) -> tuple[str, ...]:
        """The selected metrics that the row has a column for."""
        return tuple(name for name in row.published if not self.metrics or name in self.metrics)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A contradiction. id: A between papers, B a claim against another paper, C inside one paper."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID
    id: str
    about: str
    text: str
    cells: tuple[CellSelection, ...]


@dataclass(frozen=True, slots=True)
class NamedDataset:
    """The name of a data set here, and how many videos its official splits have."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID
    name: str
    videos: dict[str, int]


@dataclass(frozen=True, slots=True)
class Terms:
    """datasets, backbones: from the papers' words to ours. backbone_variants: those that swap it."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID
    datasets: dict[str, NamedDataset]
    backbones: dict[str, str]
    backbone_variants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Library:
    """Everything that is published: papers by name, contradictions, terms."""

    papers: Mapping[str, PublishedPaper]
    conflicts: tuple[Conflict, ...]
    terms: Terms

    def paper(self, name: str) -> PublishedPaper:
        """A paper by its short name. Raises UsageError with a suggestion."""
        if name not in self.papers:
            raise UsageError(f"Unknown paper {name!r}.{did_you_mean(name, self.papers)}")
        return self.papers[name]

    def selected(self, conflict: Conflict) -> Iterator[tuple[CellSelection, PublishedTable, PublishedRow]]:
        """Every row that a contradiction is about, with its table, in the order of the contradiction."""
        for cells in conflict.cells:
            paper, _, name = cells.table.partition(":")
            table = self.paper(paper).table(name)
            for row in table.rows:
                if cells.holds(table, row):
                    yield cells, table, row


def read_library(folder: Traversable) -> Library:
    """Read and check `conflicts.json`, `terms.json` and one JSON file per paper in a folder.

    Raises DataError naming file and field where one does not follow the schema, where two rows cannot be told
    apart, and where a contradiction points at nothing.
    """
    papers = {}
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".json") and entry.name not in (_CONFLICTS, _TERMS):
            paper = _parse(entry, TypeAdapter(PublishedPaper))
            papers[paper.paper] = paper
    conflicts = _parse(folder.joinpath(_CONFLICTS), TypeAdapter(tuple[Conflict, ...]))
    library = Library(papers, conflicts, _parse(folder.joinpath(_TERMS), TypeAdapter(Terms)))
    for paper in papers.values():
        for table in paper.tables:
            _check_rows(paper, table)
        for claim in paper.claims:
            _check_claim(paper, claim)
    for conflict in conflicts:
        _check_conflict(library, conflict)
    return library


@cache
def published_library() -> Library:
    """The library that comes with vis-bench."""
    return read_library(files("protocols").joinpath("papers"))


def _parse(entry: Traversable, adapter: TypeAdapter[Any]) -> Any:
    try:
        return adapter.validate_python(json.loads(entry.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"{entry}: cannot be read ({error.strerror}).") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(f"{entry}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None
    except ValueError as error:
        raise DataError(f"{entry}: not valid JSON ({error}).") from None


def _check_rows(paper: PublishedPaper, table: PublishedTable) -> None:
    seen = set()
    for row in table.rows:
        key = (row.method, row.backbone, table.dataset_of(row), row.setting)
        if key in seen:
            raise DataError(f"{paper.paper}:{table.table}: two rows {key}. Tell them apart by their setting.")
        seen.add(key)
        if not set(row.std) <= set(row.published):
            raise DataError(f"{paper.paper}:{table.table}, {row.method}: a spread of a metric without value.")


def _check_claim(paper: PublishedPaper, claim: PublishedClaim) -> None:
    table = paper.table(claim.table)
    for name in (claim.run, claim.against):
        rows = [row for row in table.rows if name in row.runs]
        if not rows or not set(claim.metrics) <= set(rows[0].published):
            raise DataError(
                f"claim {claim.id}: {name} makes no row of {paper.paper}:{table.table} with its metrics."
            )


def _check_conflict(library: Library, conflict: Conflict) -> None:
    for cells in conflict.cells:
        paper, _, name = cells.table.partition(":")
        table = library.paper(paper).table(name)
        rows = [row for row in table.rows if cells.holds(table, row)]
        known = {metric for row in rows for metric in row.published}
        if not rows or not set(cells.metrics) <= known:
            raise DataError(f"conflict {conflict.id}: {cells} selects no cell.")
