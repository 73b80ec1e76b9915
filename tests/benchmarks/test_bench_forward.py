"""Inference of every method: a tiny configuration on frames of 96x160, the paper's on 360x640.

Weights are random, thresholds as in the count of multiply-adds, so that as many objects are kept as a method
allows. Two frames: one on which a track memory is empty, one on which it is not; a clip for the others.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch

from vis_bench.engine.complexity import counted_config
from vis_bench.method import MethodSpec
from vis_bench.setup.config import override
from vis_bench.setup.plugins import build_method, load_spec, method_names
from vis_bench.types import Video

FRAMES = 2
SIZES = {"tiny": ((96, 160), 6, 5), "paper": ((360, 640), 40, 2)}
"""By configuration: frames in pixels, classes, rounds."""


def _model(spec: MethodSpec, name: str, classes: int) -> Any:
    config = spec.configs[name]
    config = (
        counted_config(config, spec.mac_count)
        if name == "paper"
        else override(config, dict(spec.mac_count.overrides), skip_unknown=True)
    )
    torch.manual_seed(0)
    return build_method(spec, config, classes).eval()


@pytest.mark.parametrize("config", SIZES)
@pytest.mark.parametrize("name", method_names())
def test_forward(benchmark, name: str, config: str) -> None:
    (height, width), classes, rounds = SIZES[config]
    model = _model(load_spec(name), config, classes)
    frames = torch.randint(0, 256, (FRAMES, 3, height, width), dtype=torch.uint8)
    video = Video(1, "random", width, height, tuple(map(str, range(FRAMES))))

    @torch.inference_mode()
    def track() -> int:
        output = model.track(video, iter(frames))
        return FRAMES if isinstance(output, list) else len(list(output))

    assert benchmark.pedantic(track, rounds=rounds, warmup_rounds=1) == FRAMES
