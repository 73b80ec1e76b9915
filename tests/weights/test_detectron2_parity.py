"""Features of real detectron2 code with random weights equal ours after conversion.

The code comes from the package index into the cache; the archive is pinned by its hash.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from detectron2_archives import code

from methods.layers.images import MEAN_RGB, STD_RGB
from methods.masktrack_rcnn.checkpoint import sources
from methods.masktrack_rcnn.config import CONFIGS
from methods.masktrack_rcnn.model import MaskTrackRcnn
from vis_bench.weights.source import convert

KINDS = {"rgb": "detectron2-mask-rcnn-rgb", "msra": "detectron2-mask-rcnn"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def detectron2() -> tuple[Path, Path]:
    """Folders of the unpacked archive and of what it imports."""
    found = code()
    return found.detectron2, found.site


@pytest.mark.parametrize("variant", ["rgb", "msra"])
def test_features_equal_those_of_detectron2(detectron2, variant: str, tmp_path: Path) -> None:
    out = tmp_path / "features.pt"
    program = Path(__file__).with_name("detectron2_features.py")
    command = [sys.executable, program, *detectron2, out, variant]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ), check=False)
    assert done.returncode == 0, done.stderr
    theirs = torch.load(out, weights_only=True)
    source = next(source for source in sources(CONFIGS["paper"]) if source.kind == KINDS[variant])
    ours = _features(theirs, convert(source, theirs["state"]).state, bool(source.stride_in_1x1))
    assert set(ours) == set(theirs["features"])
    for name, expected in theirs["features"].items():
        assert (ours[name] - expected).abs().max() <= 1e-5 * expected.abs().max(), name
    # with the strides of the other kind the same weights load and compute something else
    other = _features(theirs, convert(source, theirs["state"]).state, not source.stride_in_1x1)
    expected = theirs["features"]["p4"]
    assert (other["p4"] - expected).abs().max() > 0.01 * expected.abs().max()


def _features(theirs, state, stride_in_1x1: bool) -> dict[str, torch.Tensor]:
    """p2 to p6 of our network with converted weights on the same frame, in double precision."""
    config = CONFIGS["paper"]
    backbone = replace(config.backbone, stride_in_1x1=stride_in_1x1)
    model = MaskTrackRcnn(replace(config, backbone=backbone), 40).double().eval()
    loaded = model.load_state_dict(state, strict=False)
    assert loaded.unexpected_keys == []
    assert not [name for name in loaded.missing_keys if name.startswith(("backbone.", "fpn."))]
    mean, std = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in (MEAN_RGB, STD_RGB))
    with torch.no_grad():
        pyramid = model.pyramid(((theirs["frame"] - mean) / std)[None])
        return {**pyramid, "p6": F.max_pool2d(pyramid["p5"], kernel_size=1, stride=2)}
