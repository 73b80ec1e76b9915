"""The protocol's extra loss on the features of the backbone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from vis_bench.errors import MethodError
from vis_bench.method import Clip
from vis_bench.setup.plugins import load_recipe


class Auxiliary(nn.Module):
    """The protocol's extra loss; reads the features of the backbone's last call through a hook."""

    def __init__(self, reference: str, backbone: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.head = load_recipe(reference)(backbone.channels, num_classes)
        self.captured: list[dict[str, Tensor]] = []

    @contextmanager
    def listening(self, backbone: nn.Module) -> Iterator[None]:
        """Keep the features of every call of the backbone inside the block, and of none outside it."""
        hook = backbone.register_forward_hook(lambda module, inputs, output: self.captured.append(output))
        try:
            yield
        finally:
            hook.remove()
            self.captured.clear()

    def loss(self, clips: Sequence[Clip]) -> Tensor:
        """The loss of clips that the backbone has just seen. Raises MethodError unless it saw them once."""
        if len(self.captured) != 1:
            raise MethodError(
                f"the auxiliary loss needs one backbone call per training step, not {len(self.captured)}; "
                "switch it off with a protocol without training.auxiliary"
            )
        return self.head.loss(self.captured.pop(), clips)
