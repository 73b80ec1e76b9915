"""Which operations of a training have no deterministic kernel on CUDA; all of them have one on CPUs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from vis_bench.method import Clip

# Source: torch, list of `torch.use_deterministic_algorithms` (what raises an error there) with the names that
# the operations have below autograd; torchvision, `roi_align`
WITHOUT_DETERMINISTIC_KERNEL: Mapping[str, str] = MappingProxyType(
    {
        "torchvision::_roi_align_backward": "backward of RoIAlign",
        "aten::grid_sampler_2d_backward": "backward of grid sampling",
        "aten::grid_sampler_3d_backward": "backward of grid sampling",
        "aten::upsample_linear1d_backward": "backward of linear upsampling",
        "aten::upsample_bilinear2d_backward": "backward of bilinear upsampling",
        "aten::upsample_bicubic2d_backward": "backward of bicubic upsampling",
        "aten::upsample_trilinear3d_backward": "backward of trilinear upsampling",
        "aten::nll_loss2d_forward": "cross-entropy of maps",
        "aten::_adaptive_avg_pool2d_backward": "backward of adaptive average pooling",
        "aten::adaptive_max_pool2d_backward": "backward of adaptive maximum pooling",
        "aten::avg_pool3d_backward": "backward of average pooling in 3D",
        "aten::reflection_pad1d_backward": "backward of reflection padding",
        "aten::reflection_pad2d_backward": "backward of reflection padding",
        "aten::_embedding_bag_dense_backward": "backward of embedding bags",
        "aten::_ctc_loss_backward": "backward of the CTC loss",
        "aten::histc": "histograms",
    }
)


def needs_watching(device: str) -> bool:
    """Whether operations may lack a deterministic kernel there; device: as torch spells it."""
    return device.startswith("cuda")


class KernelWatch:
    """Names of such operations that a training has used, seen in its first steps of each phase.

    A phase is watched until one of its steps had an object: every step computes the same from there on, and
    watching all would take time. With `--deterministic`, torch and torchvision replace some of them by others
    with the same meaning, which is seen too.
    """

    def __init__(self, device: str) -> None:
        self._needed = needs_watching(device)
        self._known_phases: set[int] = set()
        self._seen: set[str] = set()

    @property
    def names(self) -> tuple[str, ...]:
        """What was used up to now, sorted."""
        return tuple(sorted(self._seen))

    @contextmanager
    def step(self, phase: int, clips: Collection[Clip]) -> Iterator[None]:
        """Around a step of `phase` on these clips, forward and backward."""
        if not self._needed or phase in self._known_phases:
            yield
            return
        with _Operations(self._seen):
            yield
        if any(len(clip.labels) for clip in clips):
            self._known_phases.add(phase)


class _Operations(TorchDispatchMode):
    """Notes operations by their words; threads of the backward pass inherit it."""

    def __init__(self, seen: set[str]) -> None:
        super().__init__()
        self._seen = seen

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        words = WITHOUT_DETERMINISTIC_KERNEL.get(func.name().partition(".")[0])
        if words is not None:
            self._seen.add(words)
        return func(*args, **(kwargs or {}))
