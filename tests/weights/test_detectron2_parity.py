"""Features of real detectron2 code with random weights equal ours after conversion.

The code comes from the package index into the cache; the archive is pinned by its hash.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from methods.layers.images import MEAN_RGB, STD_RGB
from methods.masktrack_rcnn.checkpoint import sources
from methods.masktrack_rcnn.config import CONFIGS
from methods.masktrack_rcnn.model import MaskTrackRcnn
from vis_bench.cache import default_cache_root
from vis_bench.weights.source import convert

ARCHIVE = "pb1-detectron2==0.6"
SHA256 = "5d2e9e51e523ec72f6a31cca04b0a515492e9514b773a3d134cedc0677170b29"
NEEDS = (
    *("fvcore==0.1.5.post20221221", "iopath==0.1.9", "yacs==0.1.8", "omegaconf==2.3.1", "pyyaml"),
    *("termcolor", "portalocker", "antlr4-python3-runtime==4.9.3"),
)
KINDS = {"rgb": "detectron2-mask-rcnn-rgb", "msra": "detectron2-mask-rcnn"}

pytestmark = pytest.mark.slow


def _pip(*arguments: object) -> None:
    """pip of this environment with its own settings; a skip where it cannot reach the index."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        pytest.skip(f"no package index: {last}")


@pytest.fixture(scope="module")
def detectron2() -> tuple[Path, Path]:
    """Folders of the unpacked archive and of what it imports."""
    cache = default_cache_root() / "tests" / "detectron2"
    cache.mkdir(parents=True, exist_ok=True)
    site, archive = cache / "site", cache / "pb1-detectron2-0.6.tar.gz"
    if not archive.exists():
        _pip("download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "-d", cache, ARCHIVE)
    assert hashlib.sha256(archive.read_bytes()).hexdigest() == SHA256
    if not (site / "antlr4").exists():
        _pip("install", "-q", "--target", site, "--no-deps", "--no-build-isolation", *NEEDS)
    source = cache / "pb1-detectron2-0.6"
    if not source.exists():
        with tarfile.open(archive) as files:
            files.extractall(cache, filter="data")
    return source, site


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
