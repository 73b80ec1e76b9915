"""Models of others as methods: their state under its own names, and loading files of weights into them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vis_bench.errors import MethodError
from vis_bench.method import TrainConfig
from vis_bench.records.run import Start
from vis_bench.weights.files import read_weights

# what a model makes itself when it is built, so that a file may lack it
_MADE_WHEN_BUILT = re.compile(
    r"criterion\.|.*(\.num_batches_tracked|relative_position_index|anchor_generator\..*|^pixel_(mean|std))$"
)
_NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True)
class ForeignConfig:
    """What decides the tracks of foreign code besides its sources and weights.

    content: SHA-256 of what its configuration file says, with the files that it is based on. project: what
    was named as project. opts: keys and values that the framework changes in its configuration, in turns.
    """

    content: str
    project: str = ""
    opts: tuple[str, ...] = ()

    @property
    def train(self) -> TrainConfig:
        """No training: none happens here."""
        return TrainConfig(iterations=0, batch_size=1, optimizer="sgd", lr=0.0)


class Native(nn.Module):
    """A method around a model of others, `native`, whose state has the names that it has there."""

    native: Any

    def state_dict(self, *arguments: Any, **options: Any) -> Any:
        """That of the model inside."""
        return self.native.state_dict(*arguments, **options)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load names of the model inside, as this version of it has them."""
        return self.native.load_state_dict(_as_of_today(self.native, state_dict), strict, assign)


def load_native(model: Any, path: Path) -> Start:
    """Load a file of weights (torch, safetensors or a pickle of arrays; no code is run) into such a model.

    The model's own hooks rename what an older version of it wrote. Raises MethodError (exit code 4) where
    tensors of the model are missing, have another shape or numbers that are not finite; DataError for a file
    that cannot be read. What the file has too much is named in the result.
    """
    file = read_weights(path)
    native = model.native
    own = native.state_dict()
    for name, value in file.state.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise MethodError(f"{path}: {name} holds NaN or infinite values. Is the file damaged?")
    parameters = {name for name, _ in native.named_parameters()}
    state = _as_of_today(native, file.state) if parameters <= set(file.state) else dict(file.state)
    try:
        result = native.load_state_dict(state, strict=False)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()]
        raise MethodError(f"{path} does not fit: {lines[min(1, len(lines) - 1)]}") from None
    missing = [name for name in result.missing_keys if not _MADE_WHEN_BUILT.match(name)]
    if missing:
        raise MethodError(
            f"{path} does not fit: {len(missing)} of {len(own)} tensors of the model are missing, such as "
            f"{', '.join(missing[:_NAMES_SHOWN])}. Is it the checkpoint of another configuration?"
        )
    unused = result.unexpected_keys
    more = f"; {len(unused)} tensors unused: {', '.join(unused[:_NAMES_SHOWN])}" if unused else ""
    return Start(
        sha256=file.sha256,
        source=f"{path.name} (names of the foreign model{more})",
        loaded=len(own) - len(result.missing_keys),
        of=len(own),
        missing=tuple(sorted(result.missing_keys)),
    )


def _as_of_today(native: nn.Module, state: Mapping[str, Any]) -> dict[str, Any]:
    """The state with the versions of the model's modules, so that no hook takes it for an old one."""
    marked: Any = native.state_dict()
    versions = marked._metadata
    marked.clear()
    marked.update(state)
    marked._metadata = versions
    return marked


def as_picture(frame: Tensor) -> Any:
    """A frame [3, H, W] uint8 RGB on any device as [H, W, 3] uint8 in NumPy."""
    return frame.permute(1, 2, 0).cpu().numpy()
