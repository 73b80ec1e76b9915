"""One measurement of Mask2Former-VIS, in a process of its own: CPU seconds per frame and peak memory.

    python m2f_cost.py ours|low-memory|reference FRAMES WEIGHTS [CHECKOUT]

The paper configuration, 360x640, one thread. WEIGHTS: a file of random weights of the public code's shapes,
which `reference` writes where it does not exist. Prints one line of JSON with what the model said.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from m2f_reference import build_reference
from torch import Tensor

from methods.mask2former_vis.checkpoint import from_reference
from methods.mask2former_vis.config import PAPER
from methods.mask2former_vis.model import Mask2FormerVis
from vis_bench.masks.rle import area, encode
from vis_bench.types import Video

CLASSES, HEIGHT, WIDTH = 40, 360, 640


def frames(count: int) -> Iterator[Tensor]:
    """Smooth random pictures, uint8 [3, 360, 640]."""
    generator = torch.Generator().manual_seed(1)
    for _ in range(count):
        coarse = torch.randint(0, 256, (1, 3, 24, 40), generator=generator).float()
        yield F.interpolate(coarse, size=(HEIGHT, WIDTH), mode="bilinear")[0].to(torch.uint8)


def peak_bytes() -> int:
    """Largest resident memory of this process since it began."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def run_ours(count: int, weights: Path, low_memory: bool) -> dict[str, Any]:
    model = Mask2FormerVis(replace(PAPER, low_memory=low_memory), CLASSES).eval()
    # the backbone is torchvision's in both, its names stay
    model.load_state_dict(from_reference(torch.load(weights)))
    names = tuple(str(i) for i in range(count))
    video = Video(id=1, name="v", width=WIDTH, height=HEIGHT, file_names=names)
    begin = time.process_time()
    tracks = model.track(video, frames(count))
    seconds = time.process_time() - begin
    areas = [[area(s) if s else 0 for s in track.segmentations] for track in tracks]
    return _result(seconds / count, [t.score for t in tracks], [t.label for t in tracks], areas)


@torch.inference_mode()
def run_reference(count: int, weights: Path, checkout: Path) -> dict[str, Any]:
    torch.manual_seed(0)
    model = build_reference(checkout, CLASSES)
    if weights.exists():
        model.load_state_dict(torch.load(weights))
    else:
        torch.save(model.state_dict(), weights)
    begin = time.process_time()
    found = model([{"image": list(frames(count)), "height": HEIGHT, "width": WIDTH}])
    masks = [[encode(mask.numpy()) for mask in track] for track in found["pred_masks"]]
    seconds = time.process_time() - begin
    order = sorted(range(len(masks)), key=lambda i: -found["pred_scores"][i])
    areas = [[area(rle) for rle in masks[i]] for i in order]
    scores, labels = ([found[key][i] for i in order] for key in ("pred_scores", "pred_labels"))
    return _result(seconds / count, scores, labels, areas)


def _result(seconds: float, scores: list[float], labels: list[int], areas: list[list[int]]) -> dict[str, Any]:
    return {
        "cpu_seconds_per_frame": seconds,
        "peak_memory_bytes": peak_bytes(),
        "scores": scores,
        "labels": labels,
        "areas": areas,
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    way, number, file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    if way == "reference":
        print(json.dumps(run_reference(number, file, Path(sys.argv[4]))))
    else:
        print(json.dumps(run_ours(number, file, way == "low-memory")))
