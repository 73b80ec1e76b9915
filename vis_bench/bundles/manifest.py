"""What a bundle says of itself: `bundle.json`, which names every other file with its hash."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MANIFEST_NAME = "bundle.json"
SIGNATURE_NAME = "bundle.json.sig"
SUFFIX = ".vis.zip"
VERSION = 1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BundledFile(_Strict):
    """sha256: hexadecimal, of the content; bytes: its size."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class BundledRun(_Strict):
    """A run of a bundle, with what decides whether its numbers are about the same thing as another's.

    folder: in the bundle, `runs/NAME`. data, split: SHA-256 of the annotations and of the list of videos.
    code: commit of the checkout that ran it, empty where it was none. weights: whether the trained weights
    are there.
    """

    folder: str
    data: str
    split: str
    protocol: str
    code: str = ""
    weights: bool = False


class Manifest(_Strict):
    """The content of bundle.json. files: by name, all but the manifest and its signature. speed: names of
    records of speed. protocols: their names by content hash. note: of who packed it, any text."""

    format: Literal["vis-bench bundle"] = "vis-bench bundle"
    version: int = VERSION
    vis_bench_version: str
    runs: tuple[BundledRun, ...] = Field(min_length=1)
    speed: tuple[str, ...] = ()
    protocols: dict[str, str] = Field(default_factory=dict)
    files: dict[str, BundledFile]
    note: str = Field(default="", max_length=2000)
