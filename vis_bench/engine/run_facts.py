"""What a record says about a run, besides its numbers."""

from __future__ import annotations

from typing import Any

import torch

import vis_bench
from vis_bench.engine.opened_data import OpenedData, identity
from vis_bench.engine.plan import RunSpec, axis_seeds
from vis_bench.engine.process.environment import git_state, hardware, package_versions
from vis_bench.engine.start_facts import frames_facts, stage_facts
from vis_bench.engine.track_cap import cap_values
from vis_bench.files import sha256
from vis_bench.method import MethodSpec
from vis_bench.setup.config import dotted_keys, to_dict
from vis_bench.setup.plugins import load_spec


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
        "overrides": _by_hand(run),
        "dataset": data.evaluated.name,
        "split": data.evaluated.split,
        "data": identity(data.evaluated),
        "train_data": identity(data.train) if data.train else None,
        "extra_data": identity(data.extra.dataset) if data.extra else None,
        "protocol": settings.protocol.name,
        "protocol_hash": settings.protocol.content_hash(),
        "not_from_a_paper": settings.protocol.not_from_a_paper.strip(),
        "initial_weights": _initial_weights(run, spec),
        "precision": run.precision,
        **frames_facts(run, spec),
        "image_stage": stage_facts(run),
        "seed": run.seed,
        "axis_seeds": axis_seeds(run.seed),
        "hardware": hardware(settings.device, torch.get_num_threads()),
        "versions": package_versions(),
        "git": git_state(),
        "study": settings.study,
        **_foreign_facts(spec),
    }


def _foreign_facts(spec: MethodSpec) -> dict[str, Any]:
    """Nothing for a method of ours or a plug-in."""
    foreign = spec.foreign
    return (
        {} if foreign is None else {"foreign": True, "foreign_code": foreign.code, "prompt": foreign.prompt}
    )


def _by_hand(run: RunSpec) -> dict[str, str]:
    """What was set by hand; a precision other than fp32 parts rows as a value of the configuration does."""
    asked = run.settings.precision
    precision_set = {"precision": asked} if asked not in (None, "fp32") else {}
    own = dotted_keys(run.config)
    cap = dict(cap_values(load_spec(run.method), run.settings.max_tracks))
    return {**{key: value for key, value in run.settings.overrides if key in own}, **cap, **precision_set}


def _initial_weights(run: RunSpec, spec: MethodSpec) -> str | None:
    """SHA-256 of the file of weights given by hand, or of those that foreign code brings."""
    if spec.foreign is not None and spec.foreign.weights_hash is not None:
        return spec.foreign.weights_hash
    if run.start is not None:
        return run.start.sha256
    weights = run.settings.weights
    return None if weights is None else sha256(weights.read_bytes())


def parameter_counts(model: torch.nn.Module) -> dict[str, int]:
    return {
        "total": sum(parameter.numel() for parameter in model.parameters()),
        "trainable": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
    }
