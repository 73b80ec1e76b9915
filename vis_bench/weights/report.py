"""What of a file a method would take: `vis-bench weights show`, and the file that `convert` writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from vis_bench.errors import DataError
from vis_bench.method import ClassRows, MethodSpec
from vis_bench.setup.plugins import build_method
from vis_bench.weights.files import write_weights
from vis_bench.weights.metadata import Origin, write_origin
from vis_bench.weights.prepare import Prepared, prepare
from vis_bench.weights.start import Fit, fit_state


@dataclass(frozen=True, slots=True)
class WeightsReport:
    """What of a file fits a method.

    source: in words. kind: word of `--source`, "" for own names. loaded: tensors taken of all `of`. missing:
    own names that stay new. unused: names in the file, with the reason where there is one. stride_in_1x1:
    None where the file does not say. notes: what differs besides tensors. problems: why it cannot be used.
    """

    source: str
    kind: str
    loaded: int
    of: int
    missing: tuple[str, ...]
    unused: Mapping[str, str]
    stride_in_1x1: bool | None
    notes: tuple[str, ...]
    problems: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The machine contract of `weights show --json`."""
        return {
            "source": self.source,
            "loaded": self.loaded,
            "of": self.of,
            "missing": list(self.missing),
            "unused": list(self.unused),
            "stride_in_1x1": self.stride_in_1x1,
        }


def report_of(
    path: Path, spec: MethodSpec, config: Any, classes: Sequence[str], kind: str | None = None
) -> WeightsReport:
    """What of a file fits a method in a configuration, for a list of classes; nothing is trained or built.

    Raises DataError for a file that cannot be read, UsageError for an unknown kind, MethodError for values
    that are not finite.
    """
    return _fitted(path, spec, config, classes, kind)[2]


def convert_file(
    path: Path,
    target: Path,
    spec: MethodSpec,
    config_name: str,
    config: Any,
    classes: Sequence[str],
    kind: str | None = None,
) -> WeightsReport:
    """Write what fits a method as safetensors in its own names, class heads with the classes of the file.

    The file carries where it comes from, its classes and where its ResNet has its strides. Raises as
    `report_of`, and DataError where the file does not fit.
    """
    prepared, fit, report = _fitted(path, spec, config, classes, kind)
    if fit.problems:
        raise DataError(f"{report.source}: {'; '.join(fit.problems)}. Nothing was written.")
    own = set(fit.values) | set(fit.missing)
    state = {name: value for name, value in prepared.state.items() if name in own}
    origin = Origin(
        method=spec.info.name,
        config=config_name,
        source=prepared.source,
        kind=prepared.kind,
        class_names=prepared.classes,
        stride_in_1x1=prepared.stride_in_1x1,
    )
    write_weights(target, state, write_origin(origin))
    return report


def _fitted(
    path: Path, spec: MethodSpec, config: Any, classes: Sequence[str], kind: str | None
) -> tuple[Prepared, Fit, WeightsReport]:
    prepared = prepare(path, spec, config, kind)
    # names and shapes are enough, and a large model takes long to initialise
    with torch.device("meta"):
        own = build_method(spec, config, len(classes)).state_dict()
    rows: ClassRows = "new"
    fit = fit_state(own, prepared.state, prepared.rules, classes, prepared.classes, rows)
    unused = {prepared.names.get(name, name): "" for name in fit.unused}
    report = WeightsReport(
        source=prepared.source,
        kind=prepared.kind,
        loaded=len(fit.values),
        of=len(own),
        missing=fit.missing,
        unused={**prepared.unused, **unused},
        stride_in_1x1=prepared.stride_in_1x1,
        notes=prepared.notes,
        problems=fit.problems,
    )
    return prepared, fit, report
