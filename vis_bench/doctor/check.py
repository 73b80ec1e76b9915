"""Everything that `vis-bench doctor` looks at, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from vis_bench.doctor.finding import Finding, ok, trouble
from vis_bench.errors import VisBenchError


def findings(runs: Sequence[Path], data_root: Path | None, say: Callable[[str], object]) -> Iterator[Finding]:
    """One after the other, as they are looked at.

    runs: folders of records to read. data_root: None for that of the environment. say: takes what is being
    looked at. A part that cannot even be looked at is a trouble of its own: an old package may break the
    import of another.
    """
    for name, look in (
        ("packages", _packages),
        ("machine", _machine),
        ("data", lambda: _datasets(data_root, say)),
        ("cache", _cache),
        ("records", lambda: _records(runs)),
    ):
        try:
            yield from look()
        except VisBenchError as error:
            yield trouble(name, " ".join(str(error).split()), "do what this message says, and look again")
        except Exception as error:  # noqa: BLE001 - whatever is broken here is what was asked for
            yield trouble(name, f"cannot be looked at: {type(error).__name__}: {error}", _INSTALL)


_INSTALL = "mend the packages named above, or install into a new environment: python -m pip install -e ."


def _packages() -> Iterator[Finding]:
    from vis_bench.doctor.packages import package_findings

    return package_findings()


def _machine() -> Iterator[Finding]:
    from vis_bench.doctor.machine import machine_findings

    return machine_findings()


def _datasets(data_root: Path | None, say: Callable[[str], object]) -> Iterator[Finding]:
    from vis_bench.doctor.datasets import dataset_findings

    return dataset_findings(data_root, say)


def _cache() -> Iterator[Finding]:
    from vis_bench.doctor.cached import cache_findings

    return cache_findings()


def _records(runs: Sequence[Path]) -> Iterator[Finding]:
    from vis_bench.records.run import find_records, read_record

    for folder in runs:
        paths = find_records([folder])
        bad = 0
        for path in paths:
            try:
                read_record(path)
            except VisBenchError as error:
                bad += 1
                yield trouble(
                    "record",
                    str(error),
                    "written by a newer vis-bench: install that one; otherwise run or import it again",
                )
        yield ok("records", f"{folder}: {len(paths)} records, {len(paths) - bad} can be read")
