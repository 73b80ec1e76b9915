"""Methods of known cost, in one file as a stranger would write them; some of them spoil a measurement."""

import time
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import nn

from vis_bench.masks.rle import encode_or_none
from vis_bench.method import (
    FrameDetection,
    FrameResult,
    MethodInfo,
    MethodSpec,
    TrainConfig,
    VideoInstance,
)

SLEEP_SECONDS = 0.002


@dataclass(frozen=True)
class Config:
    train: TrainConfig = field(default_factory=lambda: TrainConfig(1, 1, "adamw", 0.1))


class SleepingBackbone(nn.Module):
    def forward(self, image):
        time.sleep(SLEEP_SECONDS)
        return image


class Sleeper(nn.Module):
    """Sleeps in its backbone; the object is what is bright."""

    ahead = 0

    def __init__(self, config, num_classes):
        super().__init__()
        self.num_classes = num_classes
        self.backbone = SleepingBackbone()
        self.weight = nn.Parameter(torch.ones(3))

    def result(self, index, frame):
        bright = self.backbone(frame.float()).mean(0) > 128
        scores = np.zeros(self.num_classes, np.float32)
        scores[0] = 0.5
        (mask,) = encode_or_none(bright[None].cpu().numpy())
        return FrameResult(index, (FrameDetection(0, scores, mask),))

    def track(self, video, frames):
        waiting = []
        for index in range(video.length):
            while len(waiting) <= self.ahead and (frame := next(frames, None)) is not None:
                waiting.append(frame)
            yield self.result(index, waiting.pop(0))

    def summarise(self, video, results):
        return [VideoInstance(0, 0.5, tuple(result.detections[0].segmentation for result in results))]


class ReadsAhead(Sleeper):
    ahead = 2


class Offline(Sleeper):
    def track(self, video, frames):
        return self.summarise(video, [self.result(index, frame) for index, frame in enumerate(frames)])


class Wavers(Sleeper):
    """Every video comes out differently from the one before."""

    videos = 0

    def summarise(self, video, results):
        self.videos += 1
        (track,) = super().summarise(video, results)
        return [replace(track, score=0.5 / self.videos)]


class Remembers(Sleeper):
    """Answers frames that it has seen before from memory."""

    def __init__(self, config, num_classes):
        super().__init__(config, num_classes)
        self.seen = {}

    def result(self, index, frame):
        key = frame.numpy().tobytes()
        if key not in self.seen:
            self.seen[key] = super().result(index, frame)
        return replace(self.seen[key], index=index)


class Breaks(Sleeper):
    def result(self, index, frame):
        raise RuntimeError("the toy broke")


def _spec(name, build, online=True):
    info = MethodInfo(name, name, "tracking by detection", online, "none", "Apache-2.0")
    return MethodSpec(info=info, configs={"tiny": Config()}, choices=(), build=build)


SLEEPER = _spec("sleeper", Sleeper)
READS_AHEAD = _spec("reads_ahead", ReadsAhead)
OFFLINE = _spec("offline_sleeper", Offline, online=False)
WAVERS = _spec("wavers", Wavers)
REMEMBERS = _spec("remembers", Remembers)
BREAKS = _spec("breaks", Breaks)
