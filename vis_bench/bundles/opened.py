"""A bundle that was checked for wholeness and unpacked: its records, predictions and protocols."""

from __future__ import annotations

import gzip
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from vis_bench.bundles.archive import extract
from vis_bench.bundles.manifest import MANIFEST_NAME, SIGNATURE_NAME, VERSION, BundledRun, Manifest
from vis_bench.bundles.pack import described
from vis_bench.bundles.signature import check
from vis_bench.errors import DataError
from vis_bench.files import read_json, sha256
from vis_bench.records.rows import Protocols
from vis_bench.records.run import CHECKPOINT_NAME, PREDICTIONS_NAME, RECORD_NAME, Record, read_record
from vis_bench.records.speed import SpeedRecord, read_speed
from vis_bench.setup.protocol import Protocol

MOST_INFLATED = 400
"""Times that predictions may be larger than their gzip: lists of nulls reach 200, a bomb 1,000."""
FREE_BYTES = 64 * 2**20
"""Of uncompressed predictions, whatever their ratio."""
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """A run of a bundle. folder: where it is unpacked, with record.json and predictions.json.gz."""

    record: Record
    folder: Path

    @property
    def name(self) -> str:
        """`method@config seed n`."""
        return f"{self.record.variant()} seed {self.record.seed}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """An unpacked bundle. sha256: of its file. signature: who signed it, in words; empty for nobody."""

    path: Path
    sha256: str
    manifest: Manifest
    runs: tuple[OpenedRun, ...]
    speed: tuple[SpeedRecord, ...]
    protocols: Protocols
    signature: str


@contextmanager
def open_bundle(path: Path, signers: Path | None = None) -> Iterator[Bundle]:
    """Unpack a bundle into a temporary folder, which is gone after the block; it is whole and fits its
    hashes.

    signers: a file of allowed signers; the bundle then has to be signed by one. Raises DataError naming what
    is damaged, missing, or not what the manifest says.
    """
    with tempfile.TemporaryDirectory(prefix="vis-bench-bundle-") as name:
        folder = Path(name).resolve()
        try:
            yield _opened(path, folder, signers)
        except DataError as error:
            # the user knows the bundle, and not where it lies unpacked
            raise DataError(str(error).replace(f"{folder}/", f"{path}: ")) from None


def _opened(path: Path, folder: Path, signers: Path | None) -> Bundle:
    files = extract(path, folder)
    if MANIFEST_NAME not in files:
        raise DataError(f"{path}: is no bundle, it has no {MANIFEST_NAME}.")
    manifest = _manifest(path, files[MANIFEST_NAME])
    _require_complete(path, manifest, files)
    runs = tuple(_run(path, one, files) for one in manifest.runs)
    twice = {(one.record.run_hash, one.record.seed) for one in runs}
    if len(twice) < len(runs):
        raise DataError(f"{path}: holds one run more than once.")
    return Bundle(
        path=path,
        sha256=sha256(path.read_bytes()),
        manifest=manifest,
        runs=runs,
        speed=tuple(read_speed(files[name]) for name in manifest.speed),
        protocols=_protocols(path, manifest, files),
        signature=_signature(path, files, signers),
    )


def _manifest(path: Path, file: Path) -> Manifest:
    try:
        found = Manifest.model_validate(read_json(file))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "(top level)"
        raise DataError(f"{path}: {MANIFEST_NAME}: {where}: {first['msg']}.") from None
    if found.version != VERSION:
        raise DataError(
            f"{path}: is a bundle of version {found.version}, this vis-bench reads version {VERSION}."
        )
    return found


def _require_complete(path: Path, manifest: Manifest, files: Mapping[str, Path]) -> None:
    there = set(files) - {MANIFEST_NAME, SIGNATURE_NAME}
    needed = {f"{run.folder}/{name}" for run in manifest.runs for name in _names(run.weights)}
    needed |= {*manifest.speed, *(f"protocols/{key}.json" for key in manifest.protocols)}
    for name in sorted((needed | set(manifest.files)) - there):
        raise DataError(f"{path}: {name} is missing.")
    for name in sorted(there - set(manifest.files)):
        raise DataError(f"{path}: holds {name}, which its {MANIFEST_NAME} does not name.")
    for name in sorted(there - needed):
        raise DataError(f"{path}: holds {name}, which belongs to no run.")
    for name, said in manifest.files.items():
        data = files[name].read_bytes()
        if (sha256(data), len(data)) != (said.sha256, said.bytes):
            raise DataError(f"{path}: {name} is not the file that {MANIFEST_NAME} names (SHA-256 differs).")


def _names(weights: bool) -> list[str]:
    return [RECORD_NAME, PREDICTIONS_NAME, *([CHECKPOINT_NAME] if weights else [])]


def _run(path: Path, said: BundledRun, files: Mapping[str, Path]) -> OpenedRun:
    name, weights = said.folder, said.weights
    record = read_record(files[f"{name}/{RECORD_NAME}"])
    if described(name, record, weights) != said:
        raise DataError(f"{path}: {MANIFEST_NAME} says something else of {name} than its record.")
    predictions = files[f"{name}/{PREDICTIONS_NAME}"]
    _require_no_bomb(predictions)
    if record.status == "failed":
        raise DataError(f"{path}: {name} is a run that failed.")
    if record.status == "done" and not record.metrics:
        raise DataError(f"{path}: {name}/{RECORD_NAME}: the status is 'done' but there are no metrics.")
    if weights and record.checkpoint_hash is not None:
        held = sha256(files[f"{name}/{CHECKPOINT_NAME}"].read_bytes())
        if held != record.checkpoint_hash:
            raise DataError(f"{path}: {name}/{CHECKPOINT_NAME}: not the weights that the record names.")
    return OpenedRun(record, predictions.parent)


def _require_no_bomb(predictions: Path) -> None:
    """Raise DataError for predictions that would fill the memory; they are read in pieces."""
    packed, size = predictions.stat().st_size, 0
    most = max(FREE_BYTES, MOST_INFLATED * packed)
    try:
        with gzip.open(predictions) as file:
            while piece := file.read(_PIECE_BYTES):
                size += len(piece)
                if size > most:
                    raise DataError(f"{predictions}: more than {most:,} bytes in {packed:,}: a bomb.")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{predictions}: broken gzip stream ({error}). Make the bundle again.") from None


def _protocols(path: Path, manifest: Manifest, files: Mapping[str, Path]) -> Protocols:
    found = {}
    for key, name in manifest.protocols.items():
        try:
            protocol = Protocol.model_validate(read_json(files[f"protocols/{key}.json"]))
        except ValidationError as error:
            raise DataError(f"{path}: protocols/{key}.json: {error.errors()[0]['msg']}.") from None
        if (protocol.content_hash(), protocol.name) != (key, name):
            raise DataError(f"{path}: protocols/{key}.json: is not the protocol that its name says.")
        found[name, key] = protocol
    return found


def _signature(path: Path, files: Mapping[str, Path], signers: Path | None) -> str:
    if SIGNATURE_NAME not in files:
        if signers is not None:
            raise DataError(f"{path}: is not signed, and --signers asks for a signature.")
        return ""
    try:
        return check(files[MANIFEST_NAME].read_bytes(), files[SIGNATURE_NAME].read_bytes(), signers)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
