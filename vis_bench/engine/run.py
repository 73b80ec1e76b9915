"""Train, track and score methods: `vis_bench.run`, and what the command `run` does before it prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from vis_bench.cache import default_cache_root
from vis_bench.data import catalog
from vis_bench.engine.opened_data import OpenedData, open_data
from vis_bench.engine.placing import Executor, OwnProcesses
from vis_bench.engine.plan import RunSpec, plan_runs, with_fresh
from vis_bench.engine.plan_checks import require_weights
from vis_bench.engine.plan_file import write_plan
from vis_bench.engine.process.devices import default_workers, leads
from vis_bench.engine.process.environment import require_torch
from vis_bench.engine.process.precision import require_precision
from vis_bench.engine.sweep import Outcome, default_jobs, run_sweep
from vis_bench.errors import DataError, UsageError
from vis_bench.files import require_writable
from vis_bench.method import ClassRows
from vis_bench.records.protocols import keep_protocol
from vis_bench.records.run import Record
from vis_bench.setup.config import parse_assignment
from vis_bench.setup.frameworks import with_options
from vis_bench.setup.plugins import check_shadowing, expand_methods
from vis_bench.setup.protocol import Extra, Protocol, load_protocol, protocol_for_dataset, protocol_names
from vis_bench.setup.seeds import parse_seeds


@dataclass(frozen=True, slots=True)
class Settings:
    """What all runs of a sweep share. data_root, cache_root: None = environment or default.

    keep_frames: store the detections of every frame. It changes no number, so it is no part of a run's hash;
    nor are devices (of one run, the first is `device`), workers (processes that read clips, None for as many
    as fit) and deterministic. weights: what is scored as it is. start: DIR, FILE or NAME=FILE,... that
    training starts from; class_rows: what becomes of a class head for other classes. precision: None is the
    method's own on this kind of device. max_tracks: None and 10
    leave the configurations as they are. truth: of the evaluated split, where the user has it. allow_overlap:
    score videos that are trained on as well, and say so. study: SHA-256 of the study file that asks for it.
    """

    dataset: str
    split: str
    protocol: Protocol
    out: Path
    device: str = "cpu"
    data_root: Path | None = None
    cache_root: Path | None = None
    weights: Path | None = None
    start: str | None = None
    class_rows: ClassRows = "new"
    train: bool = True
    limit: int | None = None
    fresh: bool = False
    overrides: tuple[tuple[str, str], ...] = ()
    keep_frames: bool = False
    devices: tuple[str, ...] = ("cpu",)
    workers: int | None = None
    precision: str | None = None
    deterministic: bool = False
    max_tracks: int | None = None
    truth: Path | None = None
    allow_overlap: bool = False
    study: str = ""

    @property
    def train_dataset(self) -> str:
        """The data set to train on."""
        return self.protocol.train_dataset or self.dataset


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a call of `run` will do. jobs: runs side by side. slots: the devices of one run each."""

    settings: Settings
    runs: tuple[RunSpec, ...]
    data: OpenedData
    jobs: int
    slots: tuple[tuple[str, ...], ...]

    @property
    def finished(self) -> bool:
        """Whether every run has a record already, so that there is nothing to compute, or to keep."""
        return all(run.finished_record() is not None for run in self.runs)


class Watcher:
    """Hears of a sweep; the base says nothing. An exception raised before `finished` stops it."""

    def planned(self, sweep: Sweep) -> None:
        """Called when it is known what will be done; nothing has been written."""

    def starting(self, sweep: Sweep) -> None:
        """Called before the first run starts."""

    def finished(self, sweep: Sweep, outcomes: Sequence[Outcome]) -> None:
        """Called when every run has a record."""


def run(
    methods: str | Sequence[str],
    dataset: str | Path,
    *,
    split: str | None = None,
    protocol: str | Path | None = None,
    quick: bool = False,
    seeds: int | str | Sequence[int] = 1,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    out: str | Path = "runs",
    device: str = "auto",
    devices: int | str = 1,
    jobs: int | None = None,
    workers: int | None = None,
    precision: str | None = None,
    deterministic: bool = False,
    limit: int | None = None,
    weights: str | Path | None = None,
    start: str | Path | None = None,
    class_rows: ClassRows = "new",
    train: bool = True,
    fresh: bool = False,
    data_root: str | Path | None = None,
    extra_data: str | None = None,
    image_stage: bool = True,
    keep_frames: bool = False,
    max_tracks: int | None = None,
    truth: str | Path | None = None,
    project: str | None = None,
    associate: str | None = None,
    prompt: str | None = None,
    allow_overlap: bool = False,
    executor: Executor | None = None,
    study: str = "",
    watcher: Watcher | None = None,
) -> list[Record]:
    """Train, track and score methods on a data set; one record per method and seed, in that order.

    methods: `all`, names separated by commas or a list of names (`stc`, `inspro@A`, `my_method.py:SPEC`).
    dataset: name or path. split: None for `devval`, `test` or `val`, by data set. protocol: name or TOML
    file, None for the one of the data set; quick: its short version. seeds: how many, or which. overrides:
    configuration values by dotted key, or texts `KEY=VALUE`. out: folder of the run directories; finished
    runs found there are reused, unless fresh. device: `auto` (CUDA where there is one), `cpu` or `cuda[:n]`.
    devices: of one run, how many or which (`0,1`); the shards of a step are computed side by side on them.
    jobs: runs side by side, None for as many as fit. workers: processes that read clips for one training,
    None for 0 on a CPU and by the cores on a GPU; any number gives the same clips. precision: `fp32`,
    `tf32`, `bf16` or `fp16`, None for the method's own on this kind of device. deterministic: on GPUs, use
    deterministic operations where there are some. limit: evaluate only the first videos. weights: checkpoint
    to score as it is with train=False, else the same as start. start: a folder of METHOD@CONFIG.safetensors,
    a file, or `NAME=FILE,...` that training starts from. class_rows: `new` or `by-name`, what becomes of a
    class head for other classes. image_stage: False leaves out the protocol's, so that every method starts
    from its backbone. extra_data: `coco:PATH`, images to train on too. keep_frames: store the detections of
    every frame. max_tracks: most tracks a video or frame, as the method counts; None for the usual 10.
    truth: annotation file of a split whose truth is hidden. project, associate, prompt: for methods of
    foreign code (docs/foreign-models.md): module or path of a detectron2 project, association rules for
    models of single images, and what a prompted model is told (`truth`, or `hf:PATH` of a detector).
    allow_overlap: score videos that are trained on as well; their records say so. executor: where runs are
    computed, None for this machine; others from `vis_bench.engine.executors.choose.open_executor`. study:
    SHA-256 of a study file, for the records. watcher: hears of plan and outcomes.

    A run that fails has a record with status `failed` and its error; the others go on. In a script that is
    run as a file, call it below `if __name__ == "__main__":`, since runs have processes of their own. Raises
    UsageError (exit code 2) for unknown names, DataError (3) for missing data, MethodError (4) without torch.

    >>> run("sct", "shapes")
    Traceback (most recent call last):
        ...
    vis_bench.errors.UsageError: Unknown method 'sct'. Did you mean 'stc'?
    """
    check_shadowing()
    names = with_options(
        list(expand_methods(methods if isinstance(methods, str) else ",".join(methods))),
        {"project": project, "associate": associate, "prompt": prompt},
    )
    chosen_seeds = parse_seeds(seeds if isinstance(seeds, str) else _seeds_text(seeds))
    if not train and len(chosen_seeds) > 1:
        raise UsageError(
            f"--seeds {seeds} --no-train: one checkpoint has one result, and repeating it would "
            "look like an interval of zero. Leave --seeds out, or name one seed, such as `3,`."
        )
    require_weights(names, weights, train)
    place = executor or OwnProcesses()
    chosen_devices = place.devices(device, devices)
    if precision is not None and not place.remote:
        require_precision(precision, chosen_devices.slots[0][0])
    resolved = _with_extra(_protocol(str(dataset), protocol, quick), extra_data)
    if not image_stage:
        resolved = resolved.model_copy(update={"image_stage": None})
    if weights is not None and start is not None:
        raise UsageError("--start and --weights: both name what to start from. Give one of them.")
    if start is not None and not train:
        raise UsageError("--start is for training; --weights FILE --no-train scores a file as it is.")
    if class_rows not in get_args(ClassRows):
        raise UsageError(f"--class-rows {class_rows!r}: must be {' or '.join(get_args(ClassRows))}.")
    if max_tracks is not None and max_tracks < 1:
        raise UsageError(f"--max-tracks {max_tracks}: at least 1 is needed.")
    if weights is not None and not Path(weights).is_file():
        raise DataError(f"{weights}: no such checkpoint (--weights).")
    settings = Settings(
        dataset=str(dataset),
        split=split or catalog.default_split(str(dataset)),
        protocol=resolved,
        out=Path(out),
        device=chosen_devices.slots[0][0],
        data_root=_path(data_root),
        # jobs come from a server process, which may have begun with another environment
        cache_root=default_cache_root(),
        weights=None if train else _path(weights),
        start=_start_text(start, weights if train else None),
        class_rows=class_rows,
        train=train,
        limit=limit,
        fresh=fresh,
        overrides=tuple(_assignments(overrides)),
        keep_frames=keep_frames,
        devices=chosen_devices.slots[0],
        workers=default_workers(chosen_devices) if workers is None else workers,
        precision=precision,
        deterministic=deterministic,
        max_tracks=max_tracks,
        truth=_path(truth),
        allow_overlap=allow_overlap,
        study=study,
    )
    data = open_data(settings)
    runs = plan_runs(names, chosen_seeds, settings, data)
    runs = with_fresh(runs) if fresh else runs
    side_by_side = jobs or place.jobs(len(runs)) or default_jobs(chosen_devices, resolved.threads_per_job)
    sweep = Sweep(settings, tuple(runs), data, side_by_side, chosen_devices.slots)
    # of a launcher's processes one speaks
    watcher = watcher if watcher is not None and leads() else Watcher()
    watcher.planned(sweep)
    require_torch("cpu" if place.remote else settings.device)
    if not sweep.finished:
        require_writable(settings.out)
    watcher.starting(sweep)
    computes = not sweep.finished and leads()
    if computes:
        write_plan(settings.out, runs, len(data.evaluated.videos))
    with place.working():
        outcomes = run_sweep(runs, data, sweep.jobs, sweep.slots, place)
    # finished runs can be looked at on a disk that takes nothing
    if computes:
        keep_protocol((outcome.run.run_dir for outcome in outcomes), settings.protocol)
    watcher.finished(sweep, outcomes)
    return [outcome.record for outcome in outcomes]


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _start_text(start: str | Path | None, weights: str | Path | None) -> str | None:
    """What training starts from; --weights without --no-train means the same as --start."""
    given = start if start is not None else weights
    return None if given is None else str(given)


def _seeds_text(seeds: int | Sequence[int]) -> str:
    """As --seeds takes it; a list of one keeps its comma."""
    return str(seeds) if isinstance(seeds, int) else "".join(f"{seed}," for seed in seeds)


def _assignments(given: Mapping[str, Any] | Iterable[str]) -> Iterable[tuple[str, str]]:
    """Pairs of dotted key and value as text."""
    if not isinstance(given, Mapping):
        return [parse_assignment(text) for text in given]

    def text(value: Any) -> str:
        return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

    return [(key, text(value)) for key, value in given.items()]


def _protocol(dataset: str, given: str | Path | None, quick: bool) -> Protocol:
    """The protocol asked for, or the data set's; with quick its short version."""
    name = str(given) if given is not None else protocol_for_dataset(dataset)
    if not quick:
        return load_protocol(name)
    if f"{name}-quick" not in protocol_names():
        raise UsageError(
            f"--quick: protocol {name!r} has no short version; it is meant for shapes and videos of your own."
        )
    return load_protocol(f"{name}-quick")


def _with_extra(protocol: Protocol, text: str | None) -> Protocol:
    """The protocol with `FORMAT:PATH` as its extra data."""
    if text is None:
        return protocol
    kind, separator, path = text.partition(":")
    if kind != "coco" or not separator or not path:
        raise UsageError(f"--extra-data {text!r}: expected coco:PATH, PATH an annotation file or its folder.")
    training = protocol.training.model_copy(update={"extra": Extra(path=path)})
    return protocol.model_copy(update={"training": training})
