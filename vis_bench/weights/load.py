"""From a file to a model: a start for training, or exactly the weights to score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import nn

from vis_bench.errors import DataError, MethodError
from vis_bench.files import sha256
from vis_bench.method import ClassRows, MethodSpec, StartRules
from vis_bench.records.run import Start
from vis_bench.weights.prepare import Prepared, prepare
from vis_bench.weights.start import fit_state, load_start

# what decides tracks and not how the weights were made; it may differ between a run and what is scored later
_NOT_COMPARED = ("train", "later_training")


def start_from_file(
    model: nn.Module,
    path: Path,
    spec: MethodSpec,
    config: Any,
    classes: Sequence[str],
    class_rows: ClassRows = "new",
) -> Start:
    """Load what a training starts from; errors as `load_start`, and DataError for an unreadable file."""
    prepared = prepare(path, spec, config)
    _check_strides(prepared, config)
    return load_start(
        model,
        prepared.state,
        prepared.rules,
        source=prepared.source,
        sha256=prepared.file.sha256,
        classes=classes,
        state_classes=prepared.classes,
        class_rows=class_rows,
    )


def load_exactly(
    model: nn.Module,
    path: Path,
    spec: MethodSpec,
    config: Any,
    classes: Sequence[str] | None,
    config_values: Mapping[str, Any] | None = None,
) -> Start:
    """Load weights that are scored as they are: every tensor of the model, and nothing left over.

    classes: of the data set, None where they do not matter. config_values: of the configuration as a record
    has them; what `weights export` wrote is checked against both. Raises MethodError where the tensors do not
    fit, DataError where an exported file is of another method, configuration or class list, or changed.
    Foreign code loads in its own way (`Foreign.load`), and raises the same.
    """
    if spec.foreign is not None and spec.foreign.load is not None:
        return spec.foreign.load(model, path)
    prepared = prepare(path, spec, config)
    _check_strides(prepared, config)
    if prepared.origin is not None and prepared.origin.record_hash is not None:
        _check_exported(prepared, spec, classes, config_values)
    own = model.state_dict()
    rules = StartRules(class_heads=prepared.rules.class_heads)
    fit = fit_state(own, prepared.state, rules)
    counters = [name for name in fit.missing if name.endswith(".num_batches_tracked")]
    if fit.problems or len(counters) < len(fit.missing):
        text = "; ".join(fit.problems) or f"another class list: {', '.join(fit.missing[:3])}"
        raise MethodError(
            f"{path} does not fit {spec.info.name}: {text}. Is it the checkpoint of another configuration or "
            "class list? (--start FILE trains from it.)"
        )
    model.load_state_dict(dict(fit.values), strict=False)
    return Start(
        sha256=prepared.file.sha256,
        source=prepared.source,
        loaded=len(fit.values),
        of=len(own),
        missing=fit.missing,
    )


def _check_strides(prepared: Prepared, config: Any) -> None:
    """Refuse a network whose strides are not where its weights had them: it would compute something else."""
    own = getattr(getattr(config, "backbone", None), "stride_in_1x1", None)
    if None not in (own, prepared.stride_in_1x1) and own != prepared.stride_in_1x1:
        raise DataError(
            f"{prepared.file.path}: made with backbone.stride_in_1x1 = "
            f"{str(prepared.stride_in_1x1).lower()}, the configuration has {str(own).lower()}."
        )


def _check_exported(
    prepared: Prepared,
    spec: MethodSpec,
    classes: Sequence[str] | None,
    config_values: Mapping[str, Any] | None,
) -> None:
    """Hold an exported file against the run it says it is of, and that against what is asked for."""
    path, origin = prepared.file.path, prepared.origin
    assert origin is not None
    if origin.method != spec.info.name:
        raise DataError(f"{path}: exported from {origin.method}, not from {spec.info.name}.")
    if sha256(save(dict(prepared.file.state))) != origin.checkpoint_hash:
        raise DataError(
            f"{path}: its tensors are not those of the run that it names ({str(origin.record_hash)[:8]}). "
            "Export the run again."
        )
    if classes is not None and origin.class_names is not None and list(classes) != list(origin.class_names):
        raise DataError(
            f"{path}: trained for {len(origin.class_names)} classes "
            f"({', '.join(origin.class_names[:3])}, ...), the data set has {len(classes)} "
            f"({', '.join(list(classes)[:3])}, ...)."
        )
    if config_values is None or origin.config_values is None:
        return
    differing = sorted(
        key
        for key in {*config_values, *origin.config_values} - set(_NOT_COMPARED)
        if config_values.get(key) != origin.config_values.get(key)
    )
    if differing:
        key = differing[0]
        raise DataError(
            f"{path}: exported from {origin.method}@{origin.config} with {key} = "
            f"{origin.config_values.get(key)!r}, asked for {config_values.get(key)!r}. Name the "
            "configuration and the --set values of the run."
        )
