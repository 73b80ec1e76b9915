"""Loading weights that a training starts from: everything has to fit, but for what is declared.

Papers start whole models from weights that were trained on images. What the file lacks by nature (a tracking
head) and what it has too much is declared (`StartRules`); anything else is an error and not a warning, since
a method that silently starts from half a file is another experiment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vis_bench.errors import DataError, MethodError, UsageError
from vis_bench.method import ClassRows, StartRules
from vis_bench.records.run import Start
from vis_bench.weights.class_rows import copy_rows, head_of

NAMES_SHOWN = 3
# counts the batches that moving statistics have seen; no number depends on it, and frozen norms have none
_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True, slots=True)
class Fit:
    """What of a file goes into a model.

    values: own tensors by name, as they will be (of class heads, rows may be the model's). missing: names of
    the model that keep their own values, sorted. unused: names of the file that nothing takes, sorted.
    problems: what no rule allows, one text per kind, empty where the file may be used.
    """

    values: Mapping[str, Tensor]
    missing: tuple[str, ...]
    unused: tuple[str, ...]
    problems: tuple[str, ...]


def without_prefix(state: Mapping[str, Tensor], prefix: str = "module.") -> tuple[dict[str, Tensor], bool]:
    """The state without the prefix that data-parallel training gives every name, and whether it was there."""
    found = bool(state) and all(name.startswith(prefix) for name in state)
    return {name.removeprefix(prefix) if found else name: value for name, value in state.items()}, found


def fit_state(
    own: Mapping[str, Tensor],
    state: Mapping[str, Tensor],
    rules: StartRules,
    classes: Sequence[str] | None = None,
    state_classes: Sequence[str] | None = None,
    class_rows: ClassRows = "new",
) -> Fit:
    """What of `state` (own names) fits a model whose state dict is `own`.

    classes, state_classes: class names of the model and of the file, in order, None where they are not known.
    A class head is taken over where both lists are equal (or unknown and its size is); else it is left as it
    is, or takes the rows of the classes with equal names (class_rows `by-name`, which needs both lists).

    Raises UsageError for `by-name` without class names, MethodError (exit code 4) naming the tensor for
    values that are not finite or of another type than the model's.
    """
    if class_rows == "by-name" and (classes is None or state_classes is None):
        raise UsageError("class rows by name: the file does not tell its class names. Start them anew.")
    same_classes = classes is None or state_classes is None or list(classes) == list(state_classes)
    values: dict[str, Tensor] = {}
    other_shape: list[str] = []
    absent: list[str] = []
    left_new: list[str] = []
    other_classes: list[str] = []
    for name, tensor in own.items():
        given = state.get(name)
        if given is None:
            may_miss = name.endswith(_COUNTER) or _matches(name, rules.may_miss)
            (left_new if may_miss else absent).append(name)
            continue
        head = head_of(name, rules.class_heads)
        if given.shape == tensor.shape and (same_classes or head is None):
            values[name] = _sound(name, given, tensor)
        elif head is None or not head.accepts(given.shape, tensor.shape):
            other_shape.append(f"{name} {tuple(given.shape)} instead of {tuple(tensor.shape)}")
        elif class_rows == "by-name" and classes is not None and state_classes is not None:
            values[name] = copy_rows(head, tensor, _sound(name, given, tensor), classes, state_classes)
        else:
            other_classes.append(name)
    unknown = sorted(set(state) - set(own))
    refused = [
        name for name in unknown if not name.endswith(_COUNTER) and not _matches(name, rules.may_be_unused)
    ]
    problems = tuple(
        f"{problem}: {_few(names)}"
        for problem, names in (("missing", absent), ("other shape", other_shape), ("unknown", refused))
        if names
    )
    missing = tuple(sorted([*absent, *left_new, *other_classes]))
    return Fit(values, missing, tuple(sorted([*unknown, *other_classes])), problems)


def without_new(state: Mapping[str, Tensor], new: Sequence[str]) -> dict[str, Tensor]:
    """The state without the tensors whose names begin with one of these regular expressions."""
    return {name: value for name, value in state.items() if not _matches(name, new)}


def load_start(
    model: nn.Module,
    state: Mapping[str, Tensor],
    rules: StartRules,
    *,
    source: str,
    sha256: str,
    classes: Sequence[str] | None = None,
    state_classes: Sequence[str] | None = None,
    class_rows: ClassRows = "new",
) -> Start:
    """Load `state` into `model`, strictly but for what `rules` declare, and say what was loaded.

    state: tensors by the model's own names, on the CPU; a prefix `module.` before every name is taken off
    (and said in `source`). source: a few words of where the weights come from. sha256: of the file. The other
    arguments as in `fit_state`; `StartRules()` asks for an exact fit.

    Raises DataError (exit code 3) with the first names that are missing, unknown or of another shape, and
    MethodError (4) as `fit_state`; the model is then unchanged.
    """
    plain, stripped = without_prefix(state)
    own = model.state_dict()
    fit = fit_state(own, plain, rules, classes, state_classes, class_rows)
    if fit.problems:
        raise DataError(
            f"{source}: {len(fit.values)} of {len(own)} tensors fit {type(model).__name__}, but "
            f"{'; '.join(fit.problems)}. Is it the file of another method, configuration or class list?"
        )
    model.load_state_dict(dict(fit.values), strict=False)
    return Start(
        sha256=sha256,
        source=f"{source}, names without `module.`" if stripped else source,
        loaded=len(fit.values),
        of=len(own),
        missing=fit.missing,
    )


def _sound(name: str, given: Tensor, own: Tensor) -> Tensor:
    """The tensor, if it is of the model's type and all numbers are finite."""
    if given.dtype != own.dtype:
        raise MethodError(
            f"weights: {name} is {_type(given)}, the model needs {_type(own)}. Convert the file."
        )
    if not torch.isfinite(given).all():
        raise MethodError(
            f"weights: {name} holds NaN or infinite values. Is the file damaged, or of a diverged training?"
        )
    return given


def _type(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(re.match(pattern, name) for pattern in patterns)


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return f"{', '.join(names[:NAMES_SHOWN])}{more}"
