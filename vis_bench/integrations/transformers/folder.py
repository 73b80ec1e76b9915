"""A model as it lies in a folder: configuration, weights, licence. Imports neither torch nor transformers."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vis_bench.errors import DataError, MethodError
from vis_bench.files import read_bytes, read_json, sha256

INSTALL = "pip install 'vis-bench[methods,hf]'"
_FILES = ("*.json", "*.safetensors", "README.md")
_NO_LICENCE = "not stated; see the model's card"


@dataclass(frozen=True, slots=True)
class Model:
    """config: of `config.json`. content: SHA-256 of the configurations of model and processor. weights_hash:
    of its weights."""

    folder: Path
    config: Mapping[str, Any]
    content: str
    weights_hash: str
    licence: str

    @property
    def model_type(self) -> str:
        """Word of the library for the kind of model."""
        return str(self.config.get("model_type"))

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of classes by label; empty where the model has none."""
        given = self.config.get("id2label") or {}
        return tuple(str(given[key]) for key in sorted(given, key=int))


def require_transformers() -> None:
    """Raise MethodError with the command that installs what is missing; imports nothing heavy."""
    for name in ("torch", "torchvision", "safetensors", "transformers"):
        if importlib.util.find_spec(name) is None:
            raise MethodError(f"Methods `hf:...` need {name}. Install it with: {INSTALL}")


def open_model(place: str) -> Model:
    """The model in a folder, or in a repository, which is downloaded into the library's cache.

    Raises DataError for a place without a model whose weights are safetensors; pickles are not read.
    """
    folder = Path(place) if Path(place).is_dir() else _downloaded(place)
    if not (folder / "config.json").is_file():
        raise DataError(f"{folder}: has no config.json, so it is no model of the transformers library.")
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise DataError(
            f"{folder}: has no weights in safetensors (other files can run code and are not read). Write "
            "them with `model.save_pretrained(folder)`."
        )
    config = read_json(folder / "config.json")
    if not isinstance(config, dict):
        raise DataError(f"{folder / 'config.json'}: holds no configuration.")
    settings = sorted(path for path in folder.glob("*config.json") if path.is_file())
    return Model(
        folder=folder,
        config=config,
        content=sha256(b"".join(read_bytes(path) for path in settings)),
        weights_hash=sha256("".join(_hash_of(path) for path in weights).encode()),
        licence=_licence(folder),
    )


def _downloaded(repository: str) -> Path:
    """The local copy of a repository."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise DataError(f"hf:{repository}: no such folder, and no name of a repository (OWNER/NAME).")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=list(_FILES)))
    except Exception as error:  # noqa: BLE001 - of many libraries; it is shown as the reason
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"hf:{repository}: cannot be downloaded ({first}). Name a local folder.") from None


def _hash_of(path: Path) -> str:
    stat = path.resolve().stat()
    return _hash_of_version(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=64)
def _hash_of_version(path: Path, size: int, changed_ns: int) -> str:
    """A specification is loaded several times in a run, and weights are large."""
    return sha256(read_bytes(path))


def _licence(folder: Path) -> str:
    """What the head of the model's card says."""
    card = folder / "README.md"
    if not card.is_file():
        return _NO_LICENCE
    head = card.read_text(encoding="utf-8", errors="replace").split("---")
    found = re.search(r"^license:\s*(\S+)", head[1], re.MULTILINE) if len(head) > 2 else None
    return found.group(1) if found else _NO_LICENCE
