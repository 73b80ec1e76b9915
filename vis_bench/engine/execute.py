"""One run from weights to record."""

from __future__ import annotations

import json
import os
import shutil
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import vis_bench
from vis_bench.cache import default_cache_root
from vis_bench.config import to_dict
from vis_bench.engine.environment import git_state, hardware, package_versions
from vis_bench.engine.lock import locked
from vis_bench.engine.plan import OpenedData, RunSpec, Settings, axis_seeds, identity
from vis_bench.engine.progress import Progress
from vis_bench.engine.track import track_dataset
from vis_bench.engine.train import TrainJob, load_weights, save_weights, seed_everything, train_method
from vis_bench.errors import EXIT_METHOD_FAILED, MethodError, VisBenchError
from vis_bench.evaluate import evaluate
from vis_bench.files import sha256, write_text
from vis_bench.method import MethodSpec
from vis_bench.plugins import build_method, load_object, load_spec
from vis_bench.records import (
    CHECKPOINT_NAME,
    LOG_NAME,
    PREDICTIONS_NAME,
    RECORD_NAME,
    Record,
    Timing,
    write_record,
)
from vis_bench.seeds import axis_seed

ERROR_NAME = "error.txt"


def shared_initialisation(run: RunSpec, progress: Progress) -> Mapping[str, torch.Tensor] | None:
    """The backbone weights that the protocol gives to every method (cached), or None."""
    recipe = run.settings.protocol.initialisation.recipe
    backbone = getattr(run.config, "backbone", None)
    if recipe is None or backbone is None or not run.settings.train:
        return None
    cache = run.settings.cache_root or default_cache_root()
    return load_object(recipe)(
        backbone,
        run.settings.protocol.initialisation.options,
        cache,
        run.settings.device,
        lambda done, total: progress("shared pretraining", done, total),
    )


def execute_run(run: RunSpec, data: OpenedData, progress: Progress) -> Record:
    """Train (or reuse), track, score and record one run.

    An expected error or a failure inside the method becomes a record of status `failed`; it is returned, so
    that the other runs go on.
    """
    spec = load_spec(run.method)
    facts = run_facts(run, spec, data)
    run.run_dir.mkdir(parents=True, exist_ok=True)
    # what an earlier, failed attempt left is no longer true
    for name in (RECORD_NAME, ERROR_NAME):
        (run.run_dir / name).unlink(missing_ok=True)
    try:
        with locked(run.run_dir), locked(run.train_dir):
            record = _run(run, spec, data, facts, progress)
    except Exception as error:  # noqa: BLE001 - a stranger's method may raise anything; it is reported, not hidden
        text, code = f"{type(error).__name__}: {error}", EXIT_METHOD_FAILED
        if isinstance(error, VisBenchError):
            text, code = str(error), error.exit_code
        write_text(run.run_dir / ERROR_NAME, traceback.format_exc())
        record = Record(**facts, status="failed", error=text, error_code=code)
    write_record(run.run_dir, record)
    return record


def run_facts(run: RunSpec, spec: MethodSpec, data: OpenedData) -> dict[str, Any]:
    """What a record says about a run before anything is computed."""
    settings, info = run.settings, spec.info
    return {
        "vis_bench_version": vis_bench.__version__,
        "run_hash": run.run_hash,
        "method": info.name,
        "config": run.config_name,
        "title": info.title,
        "paradigm": info.paradigm,
        "online": info.online,
        "paper": info.paper,
        "licence": info.licence,
        "iou_type": info.iou_type,
        "config_values": to_dict(run.config),
        "overrides": dict(settings.overrides),
        "dataset": data.evaluated.name,
        "split": data.evaluated.split,
        "data": identity(data.evaluated),
        "train_data": identity(data.train) if data.train else None,
        "extra_data": identity(data.extra.dataset) if data.extra else None,
        "protocol": settings.protocol.name,
        "protocol_hash": settings.protocol.content_hash(),
        "not_from_a_paper": settings.protocol.not_from_a_paper.strip(),
        "initial_weights": sha256(settings.weights.read_bytes()) if settings.weights else None,
        "seed": run.seed,
        "axis_seeds": axis_seeds(run.seed),
        "hardware": hardware(settings.device, torch.get_num_threads()),
        "versions": package_versions(),
        "git": git_state(),
    }


def _run(
    run: RunSpec, spec: MethodSpec, data: OpenedData, facts: dict[str, Any], progress: Progress
) -> Record:
    settings = run.settings
    seed_everything(axis_seed(run.seed, "init"))
    model = build_method(spec, run.config, len(data.evaluated.categories)).to(settings.device)
    # before any training: a later phase may freeze what an earlier one trained
    parameters = _parameters(model)
    _prepare_weights(run, spec, data, model, progress)
    notes = _weight_notes(settings)
    checkpoint = run.train_dir / CHECKPOINT_NAME
    for name in (CHECKPOINT_NAME, LOG_NAME):
        _link(run.train_dir / name, run.run_dir / name)
    predictions = run.run_dir / PREDICTIONS_NAME
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
    metrics = evaluate(data.evaluated, tracks, iou_type=spec.info.iou_type) if scored else None
    progress("score", 1, 1)
    if not scored:
        notes.append(
            f"the truth of split {data.evaluated.split!r} is not public: predictions kept, nothing scored"
        )
    if not tracks:
        notes.append("the method predicted nothing")
    return Record(
        **facts,
        status="done" if scored else "not scored",
        metrics=metrics,
        timing=Timing(
            train_seconds=_train_seconds(run.train_dir / LOG_NAME),
            track_seconds=round(seconds, 3),
            frames=sum(video.length for video in data.evaluated.videos),
        ),
        look_ahead_frames=look_ahead,
        parameters=parameters,
        checkpoint_hash=sha256(checkpoint.read_bytes()),
        notes=tuple(notes),
    )


def _prepare_weights(
    run: RunSpec, spec: MethodSpec, data: OpenedData, model: Any, progress: Progress
) -> None:
    """Leave the weights to evaluate in `model` and in the run's training directory."""
    settings = run.settings
    checkpoint = run.train_dir / CHECKPOINT_NAME
    if checkpoint.exists():
        model.load_state_dict(load_weights(checkpoint))
        return
    initial = shared_initialisation(run, progress)
    if initial is not None:
        model.backbone.load_state_dict(dict(initial))
    if settings.weights is not None:
        _load_given(model, spec, settings.weights, strict=not settings.train)
    if data.train is None:
        save_weights(checkpoint, model.state_dict())
        return
    job = TrainJob(
        run.config.train,
        data.train,
        settings.protocol,
        run.seed,
        settings.device,
        later_training=tuple(getattr(run.config, "later_training", ())),
        extra=data.extra,
    )
    weights = train_method(model, job, run.train_dir, progress)
    model.load_state_dict(weights)


def _weight_notes(settings: Settings) -> list[str]:
    """What a reader has to know about the weights; from the settings, so that a resumed run says it too."""
    notes = [f"started from {settings.weights.name}"] if settings.weights else []
    return notes if settings.train else [*notes, "not trained: --no-train"]


def _load_given(model: torch.nn.Module, spec: MethodSpec, path: Path, strict: bool) -> None:
    """Load --weights: exactly when it is scored as it is, the fitting part when training starts from it."""
    state = load_weights(path)
    own = model.state_dict()
    if spec.convert_weights is not None and not set(state) & set(own):
        state = load_object(spec.convert_weights)(state)
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    missing = sorted(set(own) - set(fitting))
    if strict and (missing or len(fitting) != len(state)):
        odd = sorted(set(state) - set(fitting))
        raise MethodError(
            f"{path} does not fit {spec.info.name}: {len(missing)} tensors missing or of another shape "
            f"(first: {', '.join(missing[:3]) or 'none'}), {len(odd)} unknown (first: "
            f"{', '.join(odd[:3]) or 'none'}). Is it the checkpoint of another configuration or class list?"
        )
    if not fitting:
        raise MethodError(f"{path}: not one tensor fits {spec.info.name}.")
    model.load_state_dict(fitting, strict=False)


def _link(source: Path, target: Path) -> None:
    """A run directory holds its own log and checkpoint; a hard link where the file system has them."""
    if not source.exists() or target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _train_seconds(log: Path) -> float | None:
    if not log.exists():
        return None
    lines = log.read_text(encoding="utf-8").splitlines()
    return json.loads(lines[-1])["seconds"] if lines else None


def _parameters(model: torch.nn.Module) -> dict[str, int]:
    return {
        "total": sum(parameter.numel() for parameter in model.parameters()),
        "trainable": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
    }
