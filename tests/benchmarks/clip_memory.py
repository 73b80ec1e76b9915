"""Peak memory of a clip-level method over a long video, in a process of its own.

    python clip_memory.py METHOD FRAMES [KEY=VALUE ...]

The paper configuration with random weights, 360x640, one thread. The first frame goes through backbone and
pixel decoder; every further one gets a shifted copy of its features: what a pass needs does not grow with
the video, and 300 real passes take ten minutes. Everything behind the features is real. Prints one line of
JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

from vis_bench.setup.config import override, parse_assignment
from vis_bench.setup.plugins import build_method, load_spec
from vis_bench.types import Video

HEIGHT, WIDTH = 360, 640


def shifted(x: Tensor) -> Tensor:
    """A copy that shares no memory with `x`, in its layout."""
    return x + 0.001


def main(method: str, length: int, changes: dict[str, str]) -> None:
    spec = load_spec(method)
    torch.manual_seed(0)
    model = build_method(spec, override(spec.configs["paper"], changes), 40).eval()
    compute, first = model.frame_features, []

    def features(images: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        if not first:
            first.append(compute(images))
        maps, mask_features = first[0]
        return {name: shifted(x) for name, x in maps.items()}, shifted(mask_features)

    model.frame_features = features
    frame = torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8)
    video = Video(id=1, name="v", width=WIDTH, height=HEIGHT, file_names=tuple(map(str, range(length))))
    begin = time.process_time()
    tracks = model.track(video, iter([frame] * length))
    seconds = time.process_time() - begin
    peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    found = {"peak_memory_bytes": peak, "cpu_seconds": seconds, "tracks": len(tracks)}
    print(json.dumps({"method": method, "frames": length, **changes, **found}))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1], int(sys.argv[2]), dict(map(parse_assignment, sys.argv[3:])))
