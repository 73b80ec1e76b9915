"""What a public checkpoint is to a method: which file it is, what its tensors are called here, what it lacks.

Converters are values of this type and stand beside the methods (`methods/<name>/checkpoint.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Rules = Sequence[tuple[str, str]]


def _unchanged(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return state


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of public checkpoint that a method can start from.

    kind: word of `--source`. title: in words. signature: regular expressions; each matches the beginning of a
    name in such a file. renames: (expression, replacement) pairs, the first whose expression matches the
    beginning of a name gives the method's own; what follows the match stays. own_name: does the same where
    rules are not enough, None for a name that it does not know. not_taken: (expression, reason) of names that
    have no counterpart. adapt: changes the renamed tensors (the order of classes, say). may_miss: expressions
    of own names that such a file lacks. notes: what else is different, tensors or not. stride_in_1x1: where
    its ResNet has its strides, None for a file without one. pixels: what its stem reads, `rgb` for ImageNet-
    normalised RGB, `bgr` for BGR 0..255 less the mean, None where no file of the kind tells.
    """

    kind: str
    title: str
    signature: tuple[str, ...]
    renames: Rules = ()
    own_name: Callable[[str], str | None] | None = None
    not_taken: Rules = ()
    adapt: Callable[[dict[str, Tensor]], dict[str, Tensor]] = _unchanged
    may_miss: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    stride_in_1x1: bool | None = None
    pixels: Literal["rgb", "bgr"] | None = None

    def recognises(self, names: Mapping[str, object]) -> bool:
        """Whether a file with these names can be of this kind."""
        return all(any(re.match(pattern, name) for name in names) for pattern in self.signature)


def rename(name: str, rules: Rules) -> str | None:
    """`name` by the first rule whose expression matches its beginning; None where none does."""
    for pattern, replacement in rules:
        found = re.match(pattern, name)
        if found is not None:
            return found.expand(replacement) + name[found.end() :]
    return None


@dataclass(frozen=True, slots=True)
class Converted:
    """A file in a method's own names.

    unused: names of the file that are not taken, with the reason. names: of the file, by own name; tensors
    that `adapt` made are not among them.
    """

    state: dict[str, Tensor]
    unused: Mapping[str, str]
    names: Mapping[str, str]


def convert(source: Source, state: Mapping[str, Tensor]) -> Converted:
    """The tensors of a file by the method's own names; a name that no rule knows stays as it is."""
    renamed: dict[str, Tensor] = {}
    unused: dict[str, str] = {}
    names: dict[str, str] = {}
    for name, value in state.items():
        reason = next((why for pattern, why in source.not_taken if re.match(pattern, name)), None)
        if reason is not None:
            unused[name] = reason
            continue
        own = rename(name, source.renames)
        if own is None and source.own_name is not None:
            own = source.own_name(name)
        own = name if own is None else own
        renamed[own], names[own] = value, name
    return Converted(source.adapt(renamed), unused, names)
