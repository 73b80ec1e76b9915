"""A study as a file: which methods, on what, under which protocol, with which seeds. Its hash is in the
records."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vis_bench.errors import DataError
from vis_bench.files import read_bytes, sha256


class StudyFile(BaseModel):
    """The content of a study file (TOML). Every value is the option of `vis-bench run` with its name.

    data: one data set or several, each in a table of its own. set: configuration values by dotted key.
    about: words for a reader. executor, columns: how it is run and shown, which changes no number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str = ""
    methods: str | tuple[str, ...]
    data: str | tuple[str, ...]
    split: str | None = None
    protocol: str | None = None
    quick: bool = False
    seeds: int | str | tuple[int, ...] = 1
    set: dict[str, str | int | float | bool] = Field(default_factory=dict)
    limit: int | None = Field(default=None, ge=1)
    image_stage: bool = True
    extra_data: str | None = None
    max_tracks: int | None = Field(default=None, ge=1)
    precision: str | None = None
    keep_frames: bool = False
    executor: str = "local"
    columns: str | tuple[str, ...] | None = None


FREE = ("executor", "columns")
"""What the command line may say otherwise."""
OPTION_OF = {"data": "dataset", "set": "set_"}
"""Names of the command's parameters, where they differ."""


@dataclass(frozen=True, slots=True)
class Study:
    """A study file. sha256: of its bytes."""

    path: Path
    content: StudyFile
    sha256: str

    @property
    def datasets(self) -> tuple[str, ...]:
        """The data sets, in order."""
        data = self.content.data
        return (data,) if isinstance(data, str) else data

    @property
    def options(self) -> dict[str, Any]:
        """Parameters of `vis_bench.run` but the data set."""
        content = self.content
        names = (
            "split",
            "protocol",
            "quick",
            "limit",
            "image_stage",
            "extra_data",
            "max_tracks",
            "precision",
        )
        return {
            **{name: getattr(content, name) for name in (*names, "keep_frames")},
            "methods": content.methods if isinstance(content.methods, str) else ",".join(content.methods),
            "seeds": _seeds(content.seeds),
            "overrides": {key: _text(value) for key, value in content.set.items()},
        }

    @property
    def columns(self) -> str | None:
        """As `--columns` takes them."""
        columns = self.content.columns
        return columns if columns is None or isinstance(columns, str) else ",".join(columns)


def read_study(path: str | Path) -> Study:
    """Read a study file. Raises DataError naming the field where it does not follow the schema."""
    place = Path(path)
    raw = read_bytes(place)
    try:
        content = StudyFile.model_validate(tomllib.loads(raw.decode()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{place}: not valid TOML ({error}).") from None
    except RecursionError:
        raise DataError(f"{place}: nested too deeply.") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        known = ", ".join(StudyFile.model_fields)
        raise DataError(f"{place}: {where}: {first['msg']}. A study has: {known}.") from None
    except ValueError as error:
        raise DataError(f"{place}: {error}") from None
    study = Study(place, content, sha256(raw))
    if not study.datasets:
        raise DataError(f"{place}: data: names no data set.")
    return study


def _seeds(seeds: int | str | tuple[int, ...]) -> str:
    """As --seeds takes it: a count, or a list, of which one keeps its comma."""
    return "".join(f"{seed}," for seed in seeds) if isinstance(seeds, tuple) else str(seeds)


def _text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
