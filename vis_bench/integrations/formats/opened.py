"""Opening a file or folder of any format: its kind is recognised and said, or named."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vis_bench.data.lifted import parse_lifted
from vis_bench.data.records import paused_garbage_collection
from vis_bench.errors import DataError, UsageError
from vis_bench.files import parse_json, read_bytes, sha256
from vis_bench.integrations.formats import ytvis
from vis_bench.integrations.formats.content import Content
from vis_bench.integrations.formats.table import FORMATS, Format, format_named
from vis_bench.types import Dataset

_PICKLES = (".pkl", ".pickle", ".pth", ".pt")
YTVIS = ("ytvis", "ytvis-results")
_CHUNK_BYTES = 1 << 20
# frames may lie in the same folder
_HASHED = (".png", ".txt", ".json", ".ini")


@dataclass(frozen=True, slots=True)
class Found:
    """A recognised file. payload: its parsed JSON, None for other files; in YouTube-VIS files tracks may have
    a `MaskRow` of masks. text: what is hashed."""

    path: Path
    format: Format
    payload: Any
    text: bytes | None

    @property
    def text_hash(self) -> str:
        """SHA-256 of the uncompressed text, or of all files of a folder. Raises DataError."""
        if self.text is not None:
            return sha256(self.text)
        return _folder_hash(self.path) if self.path.is_dir() else _file_hash(self.path)

    def content(self, reference: Dataset | None = None) -> Content:
        """What it holds; reference: the truth that predictions are about. Raises DataError."""
        if self.format.read_json is not None:
            return self.format.read_json(self.payload, str(self.path), reference)
        assert self.format.read_path is not None
        return self.format.read_path(self.path, reference)


def find(path: Path, named: str | None = None) -> Found:
    """Recognise a file or folder, or take it as what `--format` names.

    Raises DataError for a file that is missing, malformed, a pickle or of no known kind, UsageError for an
    unknown name and for a file that cannot be of the format named.
    """
    wanted = None if named is None else format_named(named)
    if path.suffix.lower() in _PICKLES:
        raise DataError(
            f"{path}: is a pickle, which can run any code when it is opened, and is refused. Export JSON: "
            "mmdet "
            "and mmtracking write a YouTube-VIS results file with `--format-only` (results.json in a zip), "
            "or "
            "json.dump a list of {video_id, category_id, score, segmentations}, with the counts of each RLE "
            "decoded to text."
        )
    if not path.exists():
        raise DataError(f"{path}: no such file.")
    if path.is_dir():
        format_ = wanted or _kind_of_folder(path)
        return Found(path, _by_path(format_, path), None, None)
    if path.suffix == ".xml":
        return Found(path, wanted or FORMATS["cvat"], None, None)
    if path.suffix == ".txt":
        return Found(path, wanted or _kind_of_text(path), None, None)
    raw = ytvis.zip_member(path) if path.suffix == ".zip" else read_bytes(path)
    with paused_garbage_collection():
        payload = parse_lifted(raw, str(path))
        lifted = payload is not None
        payload = payload if lifted else parse_json(raw, str(path))
        format_ = wanted or kind_of_payload(payload, str(path))
        if lifted and format_.name not in YTVIS:
            payload = parse_json(raw, str(path))
    if format_.read_json is None and format_.name != "sav":
        raise UsageError(f"--format {format_.name}: {path} is a JSON file. Known by JSON: {_json_names()}.")
    return Found(path, format_, payload, raw)


def _json_names() -> str:
    return ", ".join(name for name, one in FORMATS.items() if one.read_json is not None or name == "sav")


def _by_path(format_: Format, path: Path) -> Format:
    if format_.read_path is None:
        raise UsageError(f"--format {format_.name}: {path} is a folder, a file is needed.")
    return format_


def kind_of_payload(payload: Any, where: str) -> Format:
    """The format of parsed JSON. Raises DataError where it is none that is known."""
    if isinstance(payload, list):
        first = payload[0] if payload else {}
        if isinstance(first, Mapping) and "image_id" in first and "segmentations" not in first:
            raise DataError(
                f"{where}: is a list of detections of single images ({', '.join(map(str, first))}). Whole "
                "tracks "
                "are needed: a YouTube-VIS results file, or COCO-video with `instance_id`."
            )
        return FORMATS["ytvis-results"]
    if isinstance(payload, Mapping):
        if "sequences" in payload:
            return FORMATS["burst"]
        if "masklet" in payload:
            return FORMATS["sav"]
        if "images" in payload and "videos" in payload:
            return FORMATS["tao" if isinstance(payload.get("tracks"), list) else "coco-video"]
        if "images" in payload and "annotations" in payload:
            raise DataError(
                f"{where}: is COCO of single images (`images`, no `videos`); its objects have no identities "
                "over "
                "time. Add `videos`, `video_id` of the images and `instance_id` of the annotations "
                "(COCO-video)."
            )
    # what is left is read as YouTube-VIS, whose reader says what is missing
    return FORMATS["ytvis"]


def _kind_of_text(path: Path) -> Format:
    with path.open("rb") as file:
        first = next((line for line in file.read(_CHUNK_BYTES).splitlines() if line.strip()), b"")
    return FORMATS["mot" if b"," in first else "mots-txt"]


def _kind_of_folder(path: Path) -> Format:
    # only here: files need neither, and loading them takes time
    from PIL import Image

    from vis_bench.integrations.formats.mot_boxes import INFO_NAME
    from vis_bench.integrations.formats.mots_png import MODES as SIXTEEN_BIT

    pictures = next(iter(sorted(path.rglob("*.png"))), None)
    texts = [file for file in sorted(path.rglob("*.txt")) if file.stat().st_size]
    jsons = next(iter(sorted(path.rglob("*.json"))), None)
    if pictures is not None:
        try:
            with Image.open(pictures, formats=("PNG",)) as image:
                return FORMATS["mots-png" if image.mode in SIXTEEN_BIT else "davis"]
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"{pictures}: damaged image ({error}).") from None
    if texts:
        return _kind_of_text(texts[0])
    if next(path.rglob(INFO_NAME), None) is not None:
        return FORMATS["mot"]
    if (
        jsons is not None
        and kind_of_payload(parse_json(read_bytes(jsons), str(jsons)), str(jsons)).name == "sav"
    ):
        return FORMATS["sav"]
    raise DataError(
        f"{path}: is no folder of PNG, txt or SA-V files. Name its kind: vis-bench data convert "
        f"--format KIND ({', '.join(FORMATS)})."
    )


def _folder_hash(path: Path) -> str:
    files = sorted(file for file in path.rglob("*") if file.suffix in _HASHED and file.is_file())
    lines = [f"{file.relative_to(path).as_posix()} {_file_hash(file)}" for file in files]
    return sha256("\n".join(lines).encode(errors="surrogatepass"))


def _file_hash(path: Path) -> str:
    """SHA-256 of a file, read piece by piece. Raises DataError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
