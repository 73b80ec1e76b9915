"""One run from weights to record."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from vis_bench.cache import default_cache_root
from vis_bench.engine import ranks
from vis_bench.engine.foreign import brings_weights, tell
from vis_bench.engine.image_stage_training import stage_weights, start_from
from vis_bench.engine.opened_data import OpenedData
from vis_bench.engine.operating_point import chosen_on_tuning
from vis_bench.engine.plan import RunSpec
from vis_bench.engine.process.determinism import deterministic
from vis_bench.engine.process.environment import device_name
from vis_bench.engine.process.failure import Failure
from vis_bench.engine.process.lease import Lease, LeaseLostError, noting
from vis_bench.engine.process.lock import locked, nobody_told
from vis_bench.engine.process.precision import precision
from vis_bench.engine.process.progress import Progress, silent
from vis_bench.engine.run_facts import parameter_counts, run_facts
from vis_bench.engine.start_facts import read_start, weight_notes, write_start
from vis_bench.engine.track import track_dataset
from vis_bench.engine.track_cap import cap_note
from vis_bench.engine.training.group import Group
from vis_bench.engine.training.log import training_facts
from vis_bench.engine.training.loop import TrainJob, seed_everything, train_method
from vis_bench.engine.training.weights import put_into, save_weights
from vis_bench.errors import DataError, VisBenchError
from vis_bench.files import remove_temporaries, sha256, write_text
from vis_bench.method import MethodSpec
from vis_bench.records.run import (
    CHECKPOINT_NAME,
    LOG_NAME,
    PREDICTIONS_NAME,
    RECORD_NAME,
    OperatingPoint,
    Record,
    Start,
    Timing,
    read_record,
    write_record,
)
from vis_bench.scoring.evaluate import evaluate
from vis_bench.setup.config import to_dict
from vis_bench.setup.plugins import build_method, load_recipe, load_spec
from vis_bench.setup.seeds import axis_seed
from vis_bench.weights.load import load_exactly, start_from_file

ERROR_NAME = "error.txt"

Together = Callable[[RunSpec, ranks.TrainAlong], AbstractContextManager[Group]]


def shared_initialisation(run: RunSpec, progress: Progress) -> Mapping[str, torch.Tensor] | None:
    """The backbone weights that the protocol gives to every method (cached), or None.

    The run starts from them, or its image stage does; not where that starts at random or is there already.
    """
    recipe = run.settings.protocol.initialisation.recipe
    backbone = getattr(run.config, "backbone", None)
    stage = run.stage
    unused = stage is not None and (stage.rules.backbone == "random" or stage.checkpoint.exists())
    if recipe is None or backbone is None or not run.settings.train or unused:
        return None
    cache = run.settings.cache_root or default_cache_root()
    try:
        return load_recipe(recipe)(
            backbone,
            run.settings.protocol.initialisation.options,
            cache,
            run.settings.device,
            lambda done, total: progress("shared pretraining", done, total),
        )
    except SafetensorError as error:
        raise DataError(
            f"{cache / 'initialisation'}: the shared initialisation kept there is damaged ({error}). Delete "
            "this folder and run again: it is made anew."
        ) from None


def execute_run(
    run: RunSpec, data: OpenedData, progress: Progress, together: Together | None = None
) -> Record:
    """Train (or reuse), track, score and record one run.

    An expected error or a failure inside the method becomes a record of status `failed`; it is returned, so
    that the other runs go on. together: gives the group of processes that trains it, None for this one and
    those that it starts for its other devices. Where another process works on the run, on this machine or on
    another, it is waited for, and its record is returned; where it was killed, this one goes on from there.
    """
    spec = load_spec(run.method)
    facts = run_facts(run, spec, data)

    def attempt(lease: Lease) -> Record | Failure:
        try:
            with precision(run.precision, run.settings.device), deterministic(run.settings.deterministic):
                told = noting(lease, progress)
                result = _run(run, spec, data, facts, told, together or ranks.together)
                lease.check()
                return result
        except LeaseLostError:
            raise
        except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it is reported, not hidden
            return Failure.of(error)

    return _record(run, facts, attempt, lambda who: progress(f"waiting for {who}", 0, 1))


def run_image_stage(run: RunSpec, progress: Progress) -> None:
    """Train the image stage that a run starts from, unless its weights are there. Raises what that raises."""
    assert run.stage is not None
    with deterministic(run.settings.deterministic):
        stage_weights(run.stage, run.settings, shared_initialisation(run, progress), progress)


def record_failure(run: RunSpec, data: OpenedData, failure: Failure) -> Record:
    """The record of a run that failed outside this process, unless it had finished before."""
    return _record(run, run_facts(run, load_spec(run.method), data), failure)


def _record(
    run: RunSpec,
    facts: dict[str, Any],
    attempt: Callable[[Lease], Record | Failure] | Failure,
    waiting: Callable[[str], object] = nobody_told,
) -> Record:
    """Attempt a run alone in its directory and leave a record there; a failure never replaces a result.

    What cannot be kept (a full disk; a failure, in a directory that another process works in) is returned all
    the same. waiting: is told of another process that has to end first.
    """
    path = run.run_dir / RECORD_NAME
    result: Record | Failure | None = attempt if isinstance(attempt, Failure) else None
    try:
        with locked(run.run_dir, wait=result is None, waiting=waiting) as lease:
            finished = run.finished_record()
            if finished is not None:
                return finished
            # what an earlier, failed attempt left is no longer true
            (run.run_dir / ERROR_NAME).unlink(missing_ok=True)
            if path.exists() and read_record(path).status == "failed":
                path.unlink()
            remove_temporaries(run.run_dir)
            result = attempt if isinstance(attempt, Failure) else attempt(lease)
            if isinstance(result, Record):
                write_record(run.run_dir, result)
                return result
            write_text(run.run_dir / ERROR_NAME, result.trace)
            record = _failed(facts, result)
            if not path.exists():
                write_record(run.run_dir, record)
            return record
    except LeaseLostError:
        # this process was taken for dead: what the other one makes is as good
        return _record(run, facts, attempt, waiting)
    except (VisBenchError, OSError) as error:
        if isinstance(result, Failure):
            text = f"{result.text} (not kept on disk: {error})"
            return _failed(facts, replace(result, text=text))
        return _failed(facts, Failure.of(error))


def _failed(facts: dict[str, Any], failure: Failure) -> Record:
    return Record(**facts, status="failed", error=failure.text, error_code=failure.code)


def _run(
    run: RunSpec,
    spec: MethodSpec,
    data: OpenedData,
    facts: dict[str, Any],
    progress: Progress,
    together: Together,
) -> Record:
    settings = run.settings
    model = _build(run, spec, data)
    # before any training: a later phase may freeze what an earlier one trained
    parameters = parameter_counts(model)
    _prepare_weights(run, spec, data, model, progress, together)
    train_seconds, train_devices, operations = training_facts(run.train_dir / LOG_NAME)
    if run.stage is not None:
        seconds, *_ = training_facts(run.stage.directory / LOG_NAME)
        facts = {**facts, "image_stage": facts["image_stage"].model_copy(update={"seconds": seconds})}
    notes = weight_notes(run, spec)
    if data.overlap_note is not None:
        notes.append(data.overlap_note)
    if set(train_devices) - {device_name(settings.device)}:
        notes.append(f"trained on {', then '.join(train_devices)}; tracked on {device_name(settings.device)}")
    checkpoint = run.train_dir / CHECKPOINT_NAME
    for name in (CHECKPOINT_NAME, LOG_NAME):
        _link(run.train_dir / name, run.run_dir / name)
    predictions = run.run_dir / PREDICTIONS_NAME
    notes += tell(model, data.evaluated)
    tracks, look_ahead, seconds = track_dataset(
        model,
        data.evaluated,
        settings.device,
        run.run_dir,
        predictions,
        progress,
        run.seed,
        spec.info.iou_type,
        settings.keep_frames,
    )
    if spec.info.online and look_ahead > 0:
        notes.append(f"declared online, but reads {look_ahead} frames ahead")
    scored = data.evaluated.tracks is not None
    progress("score", 0, 1)
    point = chosen_on_tuning(run, data, model, spec.info.iou_type, progress) if scored else None
    metrics = evaluate(data.evaluated, tracks, iou_type=spec.info.iou_type, at=point) if scored else None
    progress("score", 1, 1)
    if not scored:
        notes.append(
            f"the truth of split {data.evaluated.split!r} is not public: predictions kept, nothing scored"
        )
    reached = cap_note(spec, run.config, data.evaluated, tracks)
    if reached is not None:
        notes.append(reached)
    if not tracks:
        notes.append("the method predicted nothing")
    return Record(
        **facts,
        status="done" if scored else "not scored",
        metrics=metrics,
        operating_point=OperatingPoint.of(metrics) if metrics else None,
        timing=Timing(
            train_seconds=train_seconds,
            train_devices=train_devices,
            track_seconds=round(seconds, 3),
            frames=sum(video.length for video in data.evaluated.videos),
        ),
        without_deterministic_kernel=operations,
        look_ahead_frames=look_ahead,
        parameters=parameters,
        start=read_start(run.train_dir),
        checkpoint_hash=sha256(checkpoint.read_bytes()),
        notes=tuple(notes),
    )


def _prepare_weights(
    run: RunSpec, spec: MethodSpec, data: OpenedData, model: Any, progress: Progress, together: Together
) -> None:
    """Leave the weights to evaluate in `model` and in the run's training directory."""
    checkpoint = run.train_dir / CHECKPOINT_NAME
    # it is there only when it is whole, and then never changes: whoever reads it needs no lock
    if not checkpoint.exists():
        with locked(run.train_dir, True, lambda who: progress(f"waiting for {who}", 0, 1)) as lease:
            if not checkpoint.exists():
                remove_temporaries(run.train_dir)
                _make_weights(run, spec, data, model, noting(lease, progress), together)
                return
    put_into(model, checkpoint)


def _make_weights(
    run: RunSpec, spec: MethodSpec, data: OpenedData, model: Any, progress: Progress, together: Together
) -> None:
    """Initialise and train `model`; its weights end in the run's training directory too."""
    start = _initialise(run, spec, data, model, progress)
    if start is not None:
        write_start(run.train_dir, start)
    if data.train is None:
        save_weights(run.train_dir / CHECKPOINT_NAME, model.state_dict())
        return
    with together(run, train_along) as group:
        weights = train_method(model, _train_job(run, data), run.train_dir, progress, group)
    model.load_state_dict(weights)


def train_along(run: RunSpec, data: OpenedData, meet: Callable[[], Group]) -> None:
    """Train a run on another of its devices: the same model from the same start, and no file of its own.

    meet: joins the group, once the model is ready.
    """
    spec = load_spec(run.method)
    torch.set_num_threads(run.settings.protocol.threads_per_job)
    with precision(run.precision, run.settings.device), deterministic(run.settings.deterministic):
        model = _build(run, spec, data)
        _initialise(run, spec, data, model, silent)
        train_method(model, _train_job(run, data), run.train_dir, silent, meet())


def _build(run: RunSpec, spec: MethodSpec, data: OpenedData) -> Any:
    """The model of a run on its device, with the random start of its seed."""
    seed_everything(axis_seed(run.seed, "init"))
    return build_method(spec, run.config, len(data.evaluated.categories)).to(run.settings.device)


def _initialise(
    run: RunSpec, spec: MethodSpec, data: OpenedData, model: Any, progress: Progress
) -> Start | None:
    """Put into a model what it starts from, and say what of a file that was.

    Weights given by hand come first: they need no download. Only a backbone that they do not have takes the
    shared initialisation.
    """
    classes = [category.name for category in data.evaluated.categories]
    start = None
    if brings_weights(spec):
        return None
    if run.settings.weights is not None:
        return load_exactly(model, run.settings.weights, spec, run.config, classes, to_dict(run.config))
    if run.start is not None:
        rows = run.settings.class_rows
        start = start_from_file(model, run.start.path, spec, run.config, classes, rows)
    absent = [name for name in (start.missing if start else ()) if name.startswith("backbone.")]
    if start is not None and not absent:
        return start
    initial = shared_initialisation(run, progress)
    if run.stage is not None:
        weights = stage_weights(run.stage, run.settings, initial, progress)
        return start_from(model, run.stage, weights, spec, classes)
    if initial is not None:
        given = {name: value for name, value in initial.items() if not absent or f"backbone.{name}" in absent}
        model.backbone.load_state_dict(given, strict=not absent)
    return start


def _train_job(run: RunSpec, data: OpenedData) -> TrainJob:
    settings = run.settings
    assert data.train is not None
    return TrainJob(
        run.config.train,
        data.train,
        settings.protocol,
        run.seed,
        settings.device,
        later_training=tuple(getattr(run.config, "later_training", ())),
        extra=data.extra,
        in_order=settings.deterministic or settings.device == "cpu",
        scale_gradients=run.precision == "fp16",
        workers=settings.workers or 0,
    )


def _link(source: Path, target: Path) -> None:
    """A run directory holds its own log and checkpoint; a hard link where the file system has them."""
    if not source.exists() or (target.exists() and target.samefile(source)):
        return
    # of weights that have been removed and trained again since
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
