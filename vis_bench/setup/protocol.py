"""Protocols: what is held equal between the methods of one table, as TOML data in `protocols/`."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vis_bench.errors import DataError, UsageError, did_you_mean
from vis_bench.files import read_bytes, sha256
from vis_bench.method import MethodSpec
from vis_bench.setup.config import choose_config, config_hash, override
from vis_bench.setup.schedule import Schedule, scheduled


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Initialisation(_Strict):
    """How every method's backbone starts.

    recipe: `module:callable` that returns the backbone's state dict, called with (backbone configuration,
    options, cache folder, device); None starts from the method's own random initialisation. An option `file`
    is the path of a file of weights, relative to the working folder.
    """

    recipe: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)

    def options_by_content(self) -> dict[str, Any]:
        """The options with the SHA-256 of the option `file` in its place: where it lies decides nothing."""
        if "file" not in self.options:
            return dict(self.options)
        file = Path(str(self.options["file"]))
        # the recipe says what is wrong with a file that is not there
        return {**self.options, "file": sha256(file.read_bytes()) if file.is_file() else None}


class Extra(_Strict):
    """Images mixed into the training videos as pseudo-clips; see engine/training/clips/pseudo_clips.py.

    format: of the annotations. path: annotation file, or the dataset's folder; relative to the working
    folder. images: folder of the images, None looks for it. share: of all clips; None is by dataset size,
    images against labelled frames. smallest_crop, degrees: motion between the frames of a pseudo-clip.
    """

    path: str
    format: Literal["coco"] = "coco"
    images: str | None = None
    share: float | None = Field(default=None, gt=0, lt=1)
    smallest_crop: float = Field(default=0.6, gt=0, le=1)
    degrees: float = Field(default=15.0, ge=0, le=45)


class Training(_Strict):
    """Parts of the training that no paper states and that every method shares.

    ema_decay: weight of the old average per step in the exponential moving average that is evaluated; None
    evaluates the last weights. auxiliary: `module:callable` of an extra loss on the backbone's features,
    called with (backbone channels, num_classes); None for no such loss. extra: more training data, or None.
    """

    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    auxiliary: str | None = None
    auxiliary_weight: float = Field(default=1.0, ge=0)
    checkpoint_every_iterations: int = Field(default=200, ge=1)
    extra: Extra | None = None


class ImageRules(_Strict):
    """The image stage: every method's whole model on single images, before its videos.

    data: `stills` of the generator, or `coco` below the data root, with all of its classes. distinct: stills
    that are made; alike_share: of them with objects that look alike, see `stills_dataset`. path: of COCO,
    where it is not below the data root. images: source images seen, the same number for every method;
    images_per_step: a pair of frames made from one image counts as one. seed: of the stage; its weights
    belong to an architecture, and are the same for every seed of the runs. backbone: it starts at random, or
    as [initialisation] says. backbone_lr_factor: of the stage, None as in the configuration. smallest_crop,
    degrees: every frame shows its image through a window of its own, see `data.extra.PseudoMotion`.
    """

    data: Literal["stills", "coco"] = "stills"
    distinct: int = Field(default=3000, ge=1)
    alike_share: float = Field(default=0.6, ge=0, le=1)
    path: str | None = None
    images: int = Field(ge=1)
    images_per_step: int = Field(default=8, ge=1)
    seed: int = Field(default=20_260_101, ge=0)
    backbone: Literal["random", "initialisation"] = "random"
    backbone_lr_factor: float | None = Field(default=None, gt=0)
    smallest_crop: float = Field(default=1.0, gt=0, le=1)
    degrees: float = Field(default=0.0, ge=0, le=45)

    @property
    def iterations(self) -> int:
        """Steps of the stage; a remainder of the images is left out."""
        return max(1, self.images // self.images_per_step)


class OperatingPointRule(_Strict):
    """Where the score threshold of metrics that need one is chosen (scoring/operating_point.py).

    split: of the dataset that is trained on, tracked with the same weights; None chooses on halves of the
    videos that are scored. videos: only the first ones of the split, None for all.
    """

    split: str | None = None
    videos: int | None = Field(default=None, ge=1)


class Protocol(_Strict):
    """One protocol.

    image_stage: None starts every method as [initialisation] says, the backbone alone. train: how long the
    videos are trained on. config: the configuration of a method that is meant when none is named.
    train_dataset: where to train when the evaluated dataset is not the one to train on (difficulty sets).
    overrides: dotted configuration keys set for every method that has them, in the configuration meant when
    none is named and its variants. threads_per_job: CPU threads of one training or tracking job.
    """

    name: str
    about: str
    config: str
    datasets: tuple[str, ...] = ()
    train_dataset: str | None = None
    initialisation: Initialisation = Initialisation()
    image_stage: ImageRules | None = None
    train: Schedule = Schedule()
    training: Training = Training()
    operating_point: OperatingPointRule = OperatingPointRule()
    overrides: dict[str, Any] = Field(default_factory=dict)
    threads_per_job: int = Field(default=1, ge=1)
    not_from_a_paper: str = ""

    def content_hash(self) -> str:
        """SHA-256 of everything that can change a number (names, prose and places on disk left out).

        A field that stands at its default is left out, so that a field that is added later changes no
        protocol that does not set it. Reads the file of the initialisation's option `file`, if it has one.
        """
        content = _content(self, "")
        if "options" in content.get("initialisation", {}):
            content["initialisation"]["options"] = self.initialisation.options_by_content()
        return config_hash(content)


# names, prose, and where data lies, which differs between machines; what it is, is in the hash of the run
_NO_CONTENT = frozenset(
    {
        *("name", "about", "datasets", "not_from_a_paper", "image_stage.path"),
        *("training.extra.path", "training.extra.images"),
    }
)


def _content(part: BaseModel, place: str) -> dict[str, Any]:
    """The fields of a part of a protocol that its hash is made of; place: dotted, with a dot at its end."""
    content, written = {}, part.model_dump(mode="json")
    for name, field in type(part).model_fields.items():
        key, value = place + name, getattr(part, name)
        if key in _NO_CONTENT:
            continue
        # a required field has no default that it could stand at
        if not field.is_required() and value == field.get_default(call_default_factory=True):
            continue
        content[name] = _content(value, f"{key}.") if isinstance(value, BaseModel) else written[name]
    return content


def protocol_names() -> list[str]:
    """Names of the protocols that come with vis-bench."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in files("protocols").iterdir()
        if entry.name.endswith(".toml")
    )


def load_protocol(name_or_path: str) -> Protocol:
    """A protocol by name, or a TOML file by path.

    Raises UsageError for an unknown name and DataError for a file that is missing or malformed.
    """
    if name_or_path.endswith(".toml"):
        try:
            text = read_bytes(Path(name_or_path)).decode()
        except UnicodeDecodeError:
            raise DataError(f"{name_or_path}: is not UTF-8 text.") from None
    elif name_or_path in (names := protocol_names()):
        text = files("protocols").joinpath(f"{name_or_path}.toml").read_text(encoding="utf-8")
    else:
        raise UsageError(f"Unknown protocol {name_or_path!r}.{did_you_mean(name_or_path, names)}")
    try:
        return Protocol.model_validate(tomllib.loads(text))
    except RecursionError:
        raise DataError(f"protocol {name_or_path}: nested too deeply.") from None
    except ValidationError as error:
        found = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise DataError(f"protocol {name_or_path}: {'; '.join(found)}.") from None
    except ValueError as error:
        # also a date that is none, and a whole number of more than 4,300 digits
        raise DataError(f"protocol {name_or_path}: {error}") from None


def protocol_for_dataset(dataset: str) -> str:
    """The protocol that names `dataset`; `video` for a path or anything else."""
    for name in protocol_names():
        if dataset in load_protocol(name).datasets:
            return name
    return "video"


def resolve_config(
    spec: MethodSpec,
    name: str | None,
    protocol: Protocol,
    values: Sequence[tuple[str, str]],
    dataset: str | None = None,
    skip_unknown: bool = False,
) -> tuple[str, Any]:
    """(configuration name, configuration) after the protocol's overrides, those given by hand, its schedule.

    The protocol's overrides and schedule fit the configuration that it runs by itself, and variants of that
    one. Another one that is named, `paper` say, is taken as it stands: its frames must not become smaller
    unasked. dataset: name of the one to train on; `paper` has the schedule of it, where the method knows one.
    skip_unknown: leave out values for keys that this method does not have.
    """
    chosen, config = choose_config(spec, name, protocol.config)
    if spec.foreign is not None:
        # a protocol says how methods are trained
        return chosen, override(config, dict(values), skip_unknown)
    if chosen.partition("+")[0] == "paper" and dataset is not None:
        config = override(config, spec.schedules.get(dataset, {}))
    only_one = len(spec.configs) == 1
    usual = next(iter(spec.configs)) if only_one else protocol.config
    is_usual = chosen.partition("+")[0] == usual
    if is_usual:
        config = override(config, protocol.overrides, skip_unknown=True)
    config = override(config, dict(values), skip_unknown)
    if is_usual:
        # after the values by hand: a batch of another size has other iterations
        config = scheduled(config, spec, protocol.train, set(dict(values)))
    return chosen, config
