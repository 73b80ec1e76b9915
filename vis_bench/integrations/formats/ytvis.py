"""YouTube-VIS: truth (an object with videos, categories, annotations), and results (a list of tracks).

Results come as JSON, gzip, or as `results.json` in a zip, which is what the servers took.
Source: YouTube-VIS challenge page (description and submission format).
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from vis_bench.data.predictions import parse_results, result_record, write_results
from vis_bench.data.ytvis import parse_dataset, write_annotations
from vis_bench.errors import DataError
from vis_bench.files import FILE_BYTES_VARIABLE, atomic_path, dump_json, most_file_bytes
from vis_bench.integrations.formats.content import (
    Content,
    as_dataset,
    as_tracks,
    results_content,
    truth_content,
)
from vis_bench.types import Dataset

MEMBER = "results.json"
# zip has no time of its own then, so that equal results give equal bytes
_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_truth(payload: object, where: str) -> Content:
    """An annotation file, parsed. Raises DataError as `parse_dataset`."""
    return truth_content(parse_dataset(payload, where, None, Path(where).name, "truth", ""))


def read_tracks(payload: object, where: str, reference: Dataset | None) -> Content:
    """A results file, parsed; the videos are those of the reference. Raises DataError without one."""
    if reference is None:
        raise DataError(
            f"{where}: a results file lists no videos. Name the truth that it is about with --truth FILE or "
            "--dataset NAME."
        )
    return results_content(parse_results(payload, reference, where), reference)


def zip_member(path: Path) -> bytes:
    """The bytes of the one JSON file in a zip: `results.json`, in any folder, or else the only `.json`.

    Raises DataError for a broken or too large archive, and where there is no such file or several.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(".json")]
            named = [name for name in names if name.rpartition("/")[2] == MEMBER] or names
            if len(named) != 1:
                raise DataError(
                    f"{path}: one {MEMBER} is needed in it, found "
                    f"{', '.join(archive.namelist()[:5]) or 'nothing'}."
                )
            if archive.getinfo(named[0]).file_size > most_file_bytes():
                raise DataError(
                    f"{path}: {named[0]} would unpack to more than {most_file_bytes():,} bytes, which is the "
                    f"limit. {FILE_BYTES_VARIABLE}=BYTES raises it."
                )
            return archive.read(named[0])
    except MemoryError:
        raise DataError(f"{path}: does not fit into memory.") from None
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError, zlib.error) as error:
        raise DataError(f"{path}: cannot be unpacked ({error}). Copy the file again.") from None


def write_truth(content: Content, path: Path) -> None:
    """Write an annotation file."""
    write_annotations(path, as_dataset(content, path.name, "converted", ""))


def write_tracks(content: Content, path: Path) -> None:
    """Write a results file: a zip with `results.json` for a name that ends in `.zip`, gzip for `.gz`."""
    tracks = as_tracks(content)
    if path.suffix != ".zip":
        write_results(path, tracks)
        return
    text = dump_json([result_record(track) for track in tracks])
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        entry = zipfile.ZipInfo(MEMBER, _EPOCH)
        entry.compress_type = zipfile.ZIP_DEFLATED
        archive.writestr(entry, text)
