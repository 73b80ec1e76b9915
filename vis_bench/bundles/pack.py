"""Pack finished runs into a bundle: `vis-bench bundle`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import vis_bench
from vis_bench.bundles.archive import write_archive
from vis_bench.bundles.manifest import (
    MANIFEST_NAME,
    SIGNATURE_NAME,
    SUFFIX,
    BundledFile,
    BundledRun,
    Manifest,
)
from vis_bench.bundles.signature import sign
from vis_bench.errors import DataError, UsageError
from vis_bench.files import dump_json, file_name, sha256
from vis_bench.records.rows import installed_protocols
from vis_bench.records.run import (
    CHECKPOINT_NAME,
    PREDICTIONS_NAME,
    RECORD_NAME,
    Record,
    find_records,
    read_record,
)
from vis_bench.records.speed import SUFFIX as SPEED_SUFFIX
from vis_bench.records.speed import read_speed
from vis_bench.setup.protocol import Protocol, load_protocol


@dataclass(frozen=True, slots=True)
class Bundled:
    """What was packed. missing_protocols: names of protocols that this installation does not have."""

    path: Path
    runs: int
    bytes: int
    sha256: str
    missing_protocols: tuple[str, ...]


def bundle(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    weights: bool = False,
    sign_with: str | Path | None = None,
    note: str = "",
    protocols: Sequence[str] = (),
) -> Bundled:
    """Pack runs into one file that `verify_bundle` checks; equal runs give equal bytes.

    runs: run directories, or folders of them; records of speed below a folder are packed too. out: a name
    that ends in .vis.zip. weights: the trained weights as well. sign_with: an SSH key, for a signature.
    note: a word of whoever packs it. protocols: TOML files of protocols that are not installed.

    Raises UsageError (exit code 2) for a target of another name and for runs that failed, DataError (3) for
    runs without record, predictions or weights.
    """
    target = Path(out)
    if not target.name.endswith(SUFFIX) or target.name == SUFFIX:
        raise UsageError(f"-o {target}: a bundle's name ends in {SUFFIX}.")
    places = [Path(place) for place in runs]
    found = [(path.parent, read_record(path)) for path in find_records(places)]
    if not found:
        raise DataError(f"no record.json under {', '.join(map(str, places)) or 'no folder'}.")
    files: dict[str, Path | bytes] = {}
    packed = [_add_run(files, folder, record, weights) for folder, record in found]
    if len({run.folder for run in packed}) < len(packed):
        raise UsageError("The same run is given twice. Name each run once.")
    speed = [_add_speed(files, path) for place in places if place.is_dir() for path in _timed(place)]
    known, missing = _protocols([record for _, record in found], protocols)
    files |= {f"protocols/{key}.json": _json(value.model_dump(mode="json")) for key, value in known.items()}
    manifest = Manifest(
        vis_bench_version=vis_bench.__version__,
        runs=tuple(sorted(packed, key=lambda run: run.folder)),
        speed=tuple(sorted(set(speed))),
        protocols={key: value.name for key, value in sorted(known.items())},
        files={name: _hashed(files[name]) for name in sorted(files)},
        note=note,
    )
    text = _json(manifest.model_dump(mode="json"))
    files[MANIFEST_NAME] = text
    if sign_with is not None:
        files[SIGNATURE_NAME] = sign(text, Path(sign_with))
    write_archive(target, files)
    content = target.read_bytes()
    return Bundled(target, len(packed), len(content), sha256(content), missing)


def _add_run(files: dict[str, Path | bytes], folder: Path, record: Record, weights: bool) -> BundledRun:
    if record.status == "failed":
        raise UsageError(
            f"{folder}: this run failed ({record.error}), so there is nothing to check. Leave it out."
        )
    name = f"runs/{file_name(f'{record.variant()}-seed-{record.seed}-{record.run_hash[:8]}').lstrip('.')}"
    wanted = [RECORD_NAME, PREDICTIONS_NAME, *([CHECKPOINT_NAME] if weights else [])]
    for file in wanted:
        if not (folder / file).is_file():
            raise DataError(
                f"{folder}: has no {file}, so that nobody could check the run. Run the method again."
            )
        files[f"{name}/{file}"] = folder / file
    return described(name, record, weights)


def described(folder: str, record: Record, weights: bool) -> BundledRun:
    """What the manifest says of a run."""
    return BundledRun(
        folder=folder,
        data=record.data.annotation_hash,
        split=record.data.split_hash,
        protocol=record.protocol_hash,
        code=str(record.git.get("commit") or ""),
        weights=weights,
    )


def _timed(place: Path) -> list[Path]:
    return sorted(place.rglob(f"*{SPEED_SUFFIX}"))


def _add_speed(files: dict[str, Path | bytes], path: Path) -> str:
    read_speed(path)
    content = path.read_bytes()
    name = f"speed/{sha256(content)[:16]}.json"
    files[name] = content
    return name


def _protocols(
    records: Sequence[Record], given: Sequence[str]
) -> tuple[dict[str, Protocol], tuple[str, ...]]:
    """The protocols of the records by content hash, and the names of those that are not known here."""
    loaded = [*installed_protocols().values(), *(load_protocol(name) for name in given)]
    known: Mapping[str, Protocol] = {one.content_hash(): one for one in loaded}
    wanted = {record.protocol_hash: record.protocol for record in records if not record.foreign}
    there = {key: known[key] for key in wanted if key in known}
    return there, tuple(sorted({name for key, name in wanted.items() if key not in known}))


def _hashed(content: Path | bytes) -> BundledFile:
    data = content if isinstance(content, bytes) else content.read_bytes()
    return BundledFile(sha256=sha256(data), bytes=len(data))


def _json(value: object) -> bytes:
    return (dump_json(value, indent=1) + "\n").encode()
