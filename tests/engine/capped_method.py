"""A method that sees twelve things in every frame, and puts out at most `most` of them."""

from dataclasses import dataclass

import numpy as np
from toy_method import INFO, Toy, ToyConfig

from vis_bench.masks.rle import encode
from vis_bench.method import FrameDetection, FrameResult, MethodSpec, VideoInstance

SEEN = 12


@dataclass(frozen=True)
class CappedConfig(ToyConfig):
    most: int = 10


class Capped(Toy):
    def track(self, video, frames):
        for index, frame in enumerate(frames):
            found = []
            for column in range(min(SEEN, self.config.most)):
                mask = np.zeros(frame.shape[1:], bool)
                mask[:, column] = True
                found.append(FrameDetection(column, np.ones(1, np.float32), encode(mask)))
            yield FrameResult(index, tuple(found))

    def summarise(self, video, results):
        count = len(results[0].detections)
        return [
            VideoInstance(0, 0.9 - 0.01 * n, tuple(result.detections[n].segmentation for result in results))
            for n in range(count)
        ]


SPEC = MethodSpec(
    info=INFO,
    configs={"default": CappedConfig()},
    choices=(),
    build=Capped,
    track_cap=("most", "frame"),
)
