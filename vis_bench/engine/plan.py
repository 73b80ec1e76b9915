"""What a sweep will do: one RunSpec per method x dataset x protocol x seed, and where its files go."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import vis_bench
from vis_bench import seeds as seed_axes
from vis_bench.config import choose_config, config_hash, override, to_dict
from vis_bench.data import catalog, splits
from vis_bench.data.coco import open_coco
from vis_bench.data.extra import ExtraImages, PseudoMotion
from vis_bench.data.frames import require_frames
from vis_bench.data.official import OFFICIAL
from vis_bench.engine.frame_store import has_frames
from vis_bench.errors import DataError, UsageError
from vis_bench.files import sha256
from vis_bench.method import MethodSpec
from vis_bench.plugins import load_spec, split_variant
from vis_bench.protocol import Extra, Protocol
from vis_bench.records import RECORD_NAME, DataIdentity, Record, read_record
from vis_bench.types import Dataset

# what decides the weights and the tracks besides the method; plans, reports and messages do not
TRAINING_SOURCES = (
    "method.py",
    "seeds.py",
    *(f"engine/{name}.py" for name in ("execute", "optimizer", "track", "train", "train_state")),
    *(f"data/{name}.py" for name in ("augment", "clips", "draws", "frames", "mixed_clips", "pseudo_clips")),
    *(f"data/{name}.py" for name in ("rle_check", "segmentations", "ytvis")),
)
SCORING_SOURCES = ("evaluate.py", "measure.py", "rle.py")


@dataclass(frozen=True, slots=True)
class Settings:
    """What all runs of a sweep share. data_root, cache_root: None = environment or default.

    keep_frames: store the detections of every frame. It changes no number, so it is no part of a run's hash.
    """

    dataset: str
    split: str
    protocol: Protocol
    out: Path
    device: str = "cpu"
    data_root: Path | None = None
    cache_root: Path | None = None
    weights: Path | None = None
    train: bool = True
    limit: int | None = None
    fresh: bool = False
    overrides: tuple[tuple[str, str], ...] = ()
    keep_frames: bool = False


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run. method: name or path as given; config: the resolved configuration with all overrides."""

    method: str
    config_name: str
    config: Any
    seed: int
    settings: Settings
    train_hash: str
    run_hash: str

    @property
    def label(self) -> str:
        """Short name for progress and messages."""
        name = Path(self.method.partition(":")[0]).stem if ".py:" in self.method else self.method
        return f"{name}@{self.config_name} seed {self.seed}"

    @property
    def _folder(self) -> str:
        return self.label.replace(" ", "-")

    @property
    def run_dir(self) -> Path:
        """Directory of record and predictions."""
        settings = self.settings
        data = f"{Path(settings.dataset).name}-{settings.split}"
        return settings.out / data / settings.protocol.name / f"{self._folder}-{self.run_hash[:8]}"

    @property
    def train_dir(self) -> Path:
        """Directory of the trained weights, shared by all datasets that they are evaluated on."""
        return self.settings.out / "trained" / f"{self._folder}-{self.train_hash[:8]}"

    def finished_record(self) -> Record | None:
        """The record of an earlier identical run that ended well and kept what is to be kept, or None."""
        path = self.run_dir / RECORD_NAME
        if not path.exists():
            return None
        record = read_record(path)
        # whole tracks have no frames to keep
        if self.settings.keep_frames and record.online and not has_frames(self.run_dir):
            return None
        return record if record.status in ("done", "not scored") else None


@dataclass(frozen=True, slots=True)
class OpenedData:
    """Datasets of a sweep. train is None when nothing is trained; extra: images mixed in, or None."""

    evaluated: Dataset
    train: Dataset | None
    extra: ExtraImages | None = None


def open_data(settings: Settings) -> OpenedData:
    """Open the evaluated dataset (limited) and the one to train on. Raises DataError, UsageError."""
    evaluated = catalog.open_dataset(
        settings.dataset, settings.split, settings.data_root, settings.cache_root
    )
    if settings.limit is not None:
        evaluated = splits.first_videos(evaluated, settings.limit)
    require_frames(evaluated)
    if not settings.train:
        return OpenedData(evaluated, None)
    name = settings.protocol.train_dataset or settings.dataset
    # the hidden official splits leave all labelled videos for training; devval keeps its own videos out
    hidden = evaluated.tracks is None and name in OFFICIAL
    trained_on = catalog.open_dataset(
        name, "train-full" if hidden else "train", settings.data_root, settings.cache_root
    )
    require_frames(trained_on)
    _require_a_fair_pair(trained_on, evaluated)
    return OpenedData(evaluated, trained_on, _open_extra(settings.protocol.training.extra, trained_on))


def _open_extra(extra: Extra | None, train: Dataset) -> ExtraImages | None:
    """The images that the protocol mixes in, with the categories of the videos trained on."""
    if extra is None:
        return None
    folder = Path(extra.images) if extra.images is not None else None
    dataset = open_coco(Path(extra.path), train.categories, folder)
    require_frames(dataset)
    return ExtraImages(dataset, PseudoMotion(extra.smallest_crop, extra.degrees), extra.share)


def _require_a_fair_pair(train: Dataset, evaluated: Dataset) -> None:
    """Refuse to score on videos that were trained on, and labels that mean different classes."""
    shared = splits.crossing_videos(train, evaluated)
    if shared and train.annotation_hash == evaluated.annotation_hash:
        raise UsageError(
            f"{len(shared)} videos of split {evaluated.split!r} (first: {shared[0]}) would be trained on and "
            "scored. Name another --split, or score a checkpoint with --weights FILE --no-train."
        )
    if train.categories != evaluated.categories:
        raise DataError(
            f"{train.name} {train.split} and {evaluated.name} {evaluated.split} have different categories "
            f"({len(train.categories)} and {len(evaluated.categories)}); ids and names must agree, or a "
            "label means one class where it is learned and another where it is scored."
        )


def identity(dataset: Dataset) -> DataIdentity:
    """The part of a dataset that a record keeps."""
    return DataIdentity(
        name=dataset.name,
        split=dataset.split,
        annotation_hash=dataset.annotation_hash,
        split_hash=dataset.split_hash,
        videos=len(dataset.videos),
    )


def resolve_config(
    spec: MethodSpec, name: str | None, protocol: Protocol, values: Sequence[tuple[str, str]]
) -> tuple[str, Any]:
    """(configuration name, configuration) after the protocol's overrides, then those given by hand.

    The protocol's overrides fit the configuration that it runs by itself, and variants of that one. Another
    one that is named, `paper` say, is taken as it stands: its frames must not become smaller unasked.
    """
    chosen, config = choose_config(spec, name, protocol.config)
    only_one = len(spec.configs) == 1
    usual = next(iter(spec.configs)) if only_one else protocol.config
    if chosen.partition("+")[0] == usual:
        config = override(config, protocol.overrides, skip_unknown=True)
    return chosen, override(config, dict(values))


def plan_runs(
    methods: Sequence[str], seeds: Sequence[int], settings: Settings, data: OpenedData
) -> list[RunSpec]:
    """All runs, method by method within each seed. Raises UsageError for unknown names before any work."""
    specs = {name: load_spec(split_variant(name)[0]) for name in methods}
    code = {name: code_hash(split_variant(name)[0], spec) for name, spec in specs.items()}
    scoring = scoring_hash()
    runs = []
    for seed in seeds:
        for variant, spec in specs.items():
            method, config_name = split_variant(variant)
            chosen, config = resolve_config(spec, config_name, settings.protocol, settings.overrides)
            trained_on = identity(data.train).model_dump() if data.train else None
            training = {
                "method": method,
                "config": to_dict(config),
                "protocol": settings.protocol.content_hash(),
                "train_data": trained_on,
                "weights": sha256(settings.weights.read_bytes()) if settings.weights else None,
                "seed": seed,
                "code": code[variant],
            }
            if data.extra is not None:
                training["extra_data"] = identity(data.extra.dataset).model_dump()
            train_hash = config_hash(training)
            scored = {
                "train": train_hash,
                "data": identity(data.evaluated).model_dump(),
                "device": settings.device.partition(":")[0],
                "scoring": scoring,
            }
            runs.append(RunSpec(method, chosen, config, seed, settings, train_hash, config_hash(scored)))
    # `stc,stc@tiny` names one run twice; two jobs must not write into one directory
    return list({run.run_hash: run for run in runs}.values())


def scoring_hash() -> str:
    """SHA-256 of the sources that turn predictions into numbers: a mended metric is computed again."""
    home = Path(vis_bench.__file__).parent
    sources = [*sorted((home / "metrics").glob("*.py")), *(home / name for name in SCORING_SOURCES)]
    return sha256(b"".join(path.read_bytes() for path in sources))


def code_hash(method: str, spec: MethodSpec) -> str:
    """SHA-256 of the sources that can change what a method computes: its own, and those of the harness.

    A changed method is run again instead of being answered from an old record.
    """
    home = Path(vis_bench.__file__).parent
    sources = {home / name for name in TRAINING_SOURCES}
    if ".py:" in method:
        sources.add(Path(method.rpartition(":")[0]))
    elif isinstance(spec.build, str):
        package = spec.build.partition(":")[0].partition(".")[0]
        found = importlib.util.find_spec(package)
        for place in (found.submodule_search_locations or ()) if found else ():
            sources |= set(_shared_and_own(Path(place), spec.build))
    return sha256(b"".join(path.read_bytes() for path in sorted(sources)))


def _shared_and_own(package: Path, build: str) -> list[Path]:
    """Python files of the method's folder, of method folders that it imports from, and of shared folders.

    A folder with a SPEC is a method; every other one is shared.
    """
    parts = build.partition(":")[0].split(".")
    own = package.joinpath(*parts[1:-1]) if len(parts) > 2 else package
    folders = {path.parent.name: path.parent for path in package.glob("*/__init__.py")}
    methods = {name for name, folder in folders.items() if "SPEC" in (folder / "__init__.py").read_text()}
    wanted = {own, *(folder for name, folder in folders.items() if name not in methods)}
    waiting = list(wanted)
    while waiting:
        text = "".join(path.read_text(encoding="utf-8") for path in waiting.pop().rglob("*.py"))
        for name in re.findall(rf"^\s*(?:from|import) {package.name}\.(\w+)", text, flags=re.MULTILINE):
            if name in folders and folders[name] not in wanted:
                wanted.add(folders[name])
                waiting.append(folders[name])
    return [path for folder in wanted for path in folder.rglob("*.py")]


def axis_seeds(master: int) -> dict[str, int]:
    """The seed of every axis, for the record."""
    return {axis: seed_axes.axis_seed(master, axis) for axis in seed_axes.AXES}


def with_fresh(runs: Sequence[RunSpec]) -> list[RunSpec]:
    """The same runs in new directories, so that recomputing overwrites nothing."""
    renewed = []
    for run in runs:
        number = 1
        candidate = run
        while candidate.run_dir.exists() or candidate.train_dir.exists():
            suffix = config_hash({"run": run.run_hash, "fresh": number})
            train = config_hash({"train": run.train_hash, "fresh": number})
            candidate = replace(run, run_hash=suffix, train_hash=train)
            number += 1
        renewed.append(candidate)
    return renewed
