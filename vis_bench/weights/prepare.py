"""A file of weights as a method's own tensors, with the rules under which it may be loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vis_bench.errors import DataError, UsageError, did_you_mean
from vis_bench.method import MethodSpec, StartRules
from vis_bench.setup.plugins import load_object
from vis_bench.weights.class_rows import classes_in
from vis_bench.weights.coco import COCO_CLASSES
from vis_bench.weights.files import WeightsFile, read_weights
from vis_bench.weights.metadata import Origin, read_origin
from vis_bench.weights.source import Converted, Source, convert

# both orders of the channels have the same numbers, mirrored
_MEAN_RGB = (123.675, 116.28, 103.53)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file in the names of one method.

    source: in words. kind: word of `--source`, "" for a file in own names. state: tensors by own name. names:
    of the file by own name, where they differ. unused: names of the file that are not taken, with reasons.
    rules: what may be missing. classes: of the file, None where not known. stride_in_1x1: None where it does
    not say. notes: what differs besides tensors. origin: what an own file says about itself.
    """

    file: WeightsFile
    source: str
    kind: str
    state: Mapping[str, Tensor]
    names: Mapping[str, str]
    unused: Mapping[str, str]
    rules: StartRules
    classes: tuple[str, ...] | None
    stride_in_1x1: bool | None
    notes: tuple[str, ...]
    origin: Origin | None


def prepare(path: Path, spec: MethodSpec, config: Any, kind: str | None = None) -> Prepared:
    """Read a file and give it the names of a method in one configuration.

    kind: word of `--source`, None to recognise the file by its names; what no kind recognises is taken to be
    in the method's own names. Raises DataError for a file that cannot be read, UsageError for an unknown
    kind.
    """
    file = read_weights(path)
    sources: Sequence[Source] = load_object(spec.sources)(config) if spec.sources is not None else ()
    origin = read_origin(file.metadata, path)
    known = {source.kind: source for source in sources}
    if kind is not None and kind not in known:
        raise UsageError(
            f"--source {kind!r}: {spec.info.name} has no such source.{did_you_mean(kind, known)}"
        )
    if origin is not None and kind is None:
        return _own(file, spec, known.get(origin.kind), origin)
    source = known[kind] if kind is not None else _recognised(file, sources)
    if source is None:
        return _own(file, spec, None, None)
    converted = convert(source, file.state)
    heads = spec.start.class_heads
    return Prepared(
        file=file,
        source=f"{path.name} ({source.title}{_prefix_text(file)})",
        kind=source.kind,
        state=converted.state,
        names=converted.names,
        unused=converted.unused,
        rules=_rules(spec, source),
        classes=COCO_CLASSES if classes_in(_shapes(converted), heads) == len(COCO_CLASSES) else None,
        stride_in_1x1=source.stride_in_1x1,
        notes=source.notes,
        origin=None,
    )


def _own(file: WeightsFile, spec: MethodSpec, source: Source | None, origin: Origin | None) -> Prepared:
    """A file in the method's own names; source: what it was converted from."""
    text = origin.source if origin is not None else ""
    return Prepared(
        file=file,
        source=f"{file.path.name}{f' ({text})' if text else ''}{_prefix_text(file)}",
        kind="" if source is None else source.kind,
        state=file.state,
        names={},
        unused={},
        rules=_rules(spec, source),
        classes=origin.class_names if origin is not None else None,
        stride_in_1x1=origin.stride_in_1x1 if origin is not None else None,
        notes=source.notes if source is not None else (),
        origin=origin,
    )


def _rules(spec: MethodSpec, source: Source | None) -> StartRules:
    own = spec.start
    more = () if source is None else source.may_miss
    return StartRules((*own.may_miss, *more), own.may_be_unused, own.class_heads)


def _shapes(converted: Converted) -> dict[str, Sequence[int]]:
    return {name: tuple(value.shape) for name, value in converted.state.items()}


def _prefix_text(file: WeightsFile) -> str:
    return ", names without `module.`" if file.had_prefix else ""


def _recognised(file: WeightsFile, sources: Sequence[Source]) -> Source | None:
    """The first source that the names are of, and the pixel statistics where the file has them.

    Raises DataError where the names are known and the statistics are not.
    """
    named = [source for source in sources if source.recognises(file.state)]
    pixels = _pixels(file)
    if not named or pixels is None:
        return named[0] if named else None
    fitting = [source for source in named if source.pixels in (None, pixels)]
    if not fitting:
        raise DataError(
            f"{file.path}: {named[0].title}, but trained on other pixels (pixel_mean, pixel_std) than any "
            f"that can be converted. Name a kind with --source: {', '.join(s.kind for s in named)}."
        )
    return fitting[0]


def _pixels(file: WeightsFile) -> str | None:
    """`rgb`, `bgr` or `other` by the statistics in a file, None where it has none."""
    mean, std = (file.state.get(f"pixel_{word}") for word in ("mean", "std"))
    if mean is None or std is None:
        return None
    found, ours = mean.flatten().float(), torch.tensor(_MEAN_RGB)
    if found.shape != ours.shape:
        return "other"
    unit = bool((std == 1).all())
    close = {
        "rgb": torch.allclose(found, ours, atol=0.01),
        "bgr": torch.allclose(found, ours.flip(0), atol=0.01),
    }
    if close["bgr"] and unit:
        return "bgr"
    return "rgb" if close["rgb"] and not unit else "other"
