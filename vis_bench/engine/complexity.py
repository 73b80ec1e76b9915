"""Multiply-adds of one frame, counted while a method tracks a short random video.

Matrix products, convolutions and attention are counted by torch's formulas (half of its FLOPs); operations
that read features between the cells of a map are added here. Everything else (element by element, norms,
resizing, sorting) counts as zero, as is usual; `uncounted` names it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torchvision  # noqa: F401 - registers roi_align
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from vis_bench.errors import MethodError
from vis_bench.method import MacCount
from vis_bench.types import Video

# the frame of the literature on video instance segmentation; padded to multiples of 32 it is 640 x 384
HEIGHT, WIDTH = 360, 640
OTHER = "(outside modules)"
# a bilinear sample is a weighted sum of four cells
_MACS_PER_SAMPLE = 4


@dataclass(frozen=True, slots=True)
class Complexity:
    """macs_per_frame: multiply-adds. by_module: the same by top-level module, largest first, `OTHER` for what
    runs outside their forward passes. uncounted: names of operations that ran and counted as zero."""

    macs_per_frame: int
    by_module: dict[str, int]
    uncounted: tuple[str, ...]


def measure(model: Any, config: Any, online: bool, count: MacCount) -> Complexity:
    """Count the multiply-adds per frame of `model`, built with `counted_config` under torch.inference_mode().

    The video has random uint8 frames of 640x360 and as many frames as there are shares (see MacCount). An
    online method is counted frame by frame; the result of frame t is asked for before frame t+1 is given. For
    any other method only the mean over all frames exists, so shares have to be equal. Raises MethodError when
    the method yields too few results or its shares do not fit.
    """
    shares = count.frame_shares(config) if count.frame_shares else ((0.0, 1.0) if online else (0.5, 0.5))
    if abs(sum(shares) - 1) > 1e-9 or not (online or len(set(shares)) == 1):
        raise MethodError(f"frame_shares {shares}: must add up to 1, and be equal for an offline method")
    video = Video(
        id=1, name="random", width=WIDTH, height=HEIGHT, file_names=tuple(map(str, range(len(shares))))
    )
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    was_training = model.training
    model.eval()
    try:
        counting = _Counting(model)
        with torch.inference_mode(), counting.started():
            per_frame = _count_frames(model, video, _random_frames(video.length, device), counting)
    finally:
        model.train(was_training)
    weighted: defaultdict[str, float] = defaultdict(float)
    for share, macs in zip(shares, per_frame, strict=True):
        for module, value in macs.items():
            weighted[module] += share * value
    ranked = sorted(weighted.items(), key=lambda item: -item[1])
    by_module = {module: round(value) for module, value in ranked if value > 0}
    return Complexity(round(sum(weighted.values())), by_module, tuple(sorted(counting.uncounted)))


def counted_config(config: Any, count: MacCount) -> Any:
    """`config` with the overrides for counting and a test size that leaves 640x360 frames as they are."""
    from vis_bench.setup.config import override

    size = {"test_short_side": HEIGHT} if getattr(config, "test_short_side", None) is not None else {}
    return override(config, {**size, **count.overrides}, skip_unknown=True)


def _random_frames(number: int, device: torch.device) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(0)
    for _ in range(number):
        frame = torch.randint(0, 256, (3, HEIGHT, WIDTH), generator=generator, dtype=torch.uint8)
        yield frame.to(device)


def _count_frames(
    model: Any, video: Video, frames: Iterator[Tensor], counting: _Counting
) -> list[dict[str, float]]:
    """Multiply-adds of each frame by module."""
    output = model.track(video, frames)
    if isinstance(output, list):
        mean = {module: value / video.length for module, value in counting.take().items()}
        return [mean] * video.length
    per_frame = [counting.take() for _ in output]
    if len(per_frame) != video.length:
        raise MethodError(f"{len(per_frame)} frame results for {video.length} frames")
    return per_frame


def _roi_align_macs(
    features: Tensor, rois: Tensor, scale: float, height: int, width: int, sampling: int, *_: Any, **__: Any
) -> int:
    """4 per bilinear sample: RoIs x cells x samples per cell x channels."""
    channels = features.shape[1]
    if sampling > 0:
        return _MACS_PER_SAMPLE * rois.shape[0] * height * width * sampling**2 * channels
    sides = (rois[:, 3:] - rois[:, 1:3]) * scale
    samples = (sides / sides.new_tensor([width, height])).ceil().clamp(min=1).prod(1).sum()
    return _MACS_PER_SAMPLE * height * width * int(samples) * channels


def _grid_sample_macs(*_: Any, out_val: Tensor, **__: Any) -> int:
    """4 per bilinear sample and channel; deformable attention samples its values in this way."""
    return _MACS_PER_SAMPLE * out_val.numel()


def _embedding_bag_macs(table: Tensor, rows: Tensor, *_: Any, **__: Any) -> int:
    """One per row and channel; deformable attention on a CPU names the four corners of a sample as rows."""
    return rows.numel() * table.shape[1]


def _attention_macs(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """Products of queries and keys, and of weights and values. query: [..., L, E], key: [..., S, E], value:
    [..., S, V]."""
    return query.shape[:-2].numel() * query.shape[-2] * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _formulas() -> dict[Any, Callable[..., float]]:
    def halved(flops: Callable[..., int]) -> Callable[..., float]:
        return lambda *args, **kwargs: flops(*args, **kwargs) / 2

    known: dict[Any, Callable[..., float]] = {
        operation: halved(flops) for operation, flops in flop_registry.items()
    }
    known[torch.ops.aten.grid_sampler_2d] = _grid_sample_macs
    known[torch.ops.aten._embedding_bag_forward_only] = _embedding_bag_macs
    known[torch.ops.torchvision.roi_align] = _roi_align_macs
    # not every version of torch has a formula for attention on a CPU
    known[torch.ops.aten._scaled_dot_product_flash_attention_for_cpu] = _attention_macs
    return known


class _Counting(TorchDispatchMode):
    """Adds up the multiply-adds of every operation under the top-level module that is running."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.uncounted: set[str] = set()
        self._model = model
        self._macs: defaultdict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._formulas = _formulas()

    def take(self) -> dict[str, float]:
        """What was counted since the last call."""
        taken, self._macs = dict(self._macs), defaultdict(float)
        return taken

    @contextmanager
    def started(self) -> Iterator[None]:
        """Count while inside. (`with self` alone is also what a dispatch mode does to call itself.)"""
        hooks = []
        for name, child in self._model.named_children():
            # a list of stages is never called itself
            for module in child if isinstance(child, nn.ModuleList) else (child,):
                hooks.append(module.register_forward_pre_hook(self._enter(name)))
                hooks.append(module.register_forward_hook(lambda *_: self._leave()))
        # the fused attention of inference is one operation without a formula
        fused = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with self:
                yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fused)
            for hook in hooks:
                hook.remove()

    def _enter(self, name: str) -> Callable[..., None]:
        return lambda *_: self._running.append(name)

    def _leave(self) -> None:
        self._running.pop()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        packet = func._overloadpacket
        formula = self._formulas.get(packet)
        if formula is None:
            # under inference mode, compound operations arrive whole
            with self:
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        out = func(*args, **kwargs)
        if formula is not None:
            self._macs[self._running[0] if self._running else OTHER] += formula(*args, **kwargs, out_val=out)
        elif not func.is_view:
            self.uncounted.add(str(packet))
        return out
