"""A small method that keeps every promise, and one that breaks each: they differ in the fault alone."""

from __future__ import annotations

import dataclasses
import statistics
from types import MappingProxyType

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from vis_bench.masks.rle import encode, tight_box
from vis_bench.method import (
    Choice,
    ClipSampling,
    FrameDetection,
    FrameResult,
    ImageStage,
    MethodInfo,
    MethodSpec,
    RawDetections,
    TrainConfig,
    VideoInstance,
)


@dataclasses.dataclass(frozen=True)
class Config:
    train: TrainConfig
    later_training: tuple[TrainConfig, ...] = ()
    tracks: bool = True


TRAIN = TrainConfig(iterations=100, batch_size=2, optimizer="adamw", lr=0.1, sampling=ClipSampling(frames=2))
INFO = MethodInfo("good", "Good", "tracking by detection", True, "none", "Apache-2.0")
TWO_PHASES = MappingProxyType({"tiny": Config(TRAIN, (TRAIN,))})


class Good(nn.Module):
    """Classifies pixels by their colour; the tracks are the classes."""

    info = INFO
    configs = MappingProxyType({"tiny": Config(TRAIN)})

    def __init__(self, config, num_classes):
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 12, 1), nn.ReLU())
        self.output = nn.Conv2d(12, num_classes, 1)

    def logits(self, frames):
        """Class logits [n, C, H, W] of frames uint8 [n, 3, H, W]."""
        return self.output(self.backbone(frames.float() / 255 - 0.5))

    def losses(self, clips):
        height, width = (max(clip.frames.shape[side] for clip in clips) for side in (-2, -1))
        padded, targets, inside = [], [], []
        for clip in clips:
            frames, masks = clip.frames, clip.masks
            target = torch.zeros(len(frames), self.output.out_channels, *frames.shape[-2:])
            for number, label in enumerate(clip.labels.tolist()):
                target[:, label] = torch.maximum(target[:, label], masks[:, number].float())
            pad = (0, width - frames.shape[-1], 0, height - frames.shape[-2])
            padded.append(functional.pad(frames, pad))
            targets.append(functional.pad(target, pad))
            inside.append(functional.pad(torch.ones_like(target), pad))
        logits = self.logits(torch.cat(padded))
        loss = functional.binary_cross_entropy_with_logits(
            logits, torch.cat(targets), reduction="none", pos_weight=torch.tensor(5.0)
        )
        inside = torch.cat(inside)
        return {"pixels": (loss * inside).sum() / inside.sum()}

    def detections(self, frame):
        found = []
        for label, probability in enumerate(self.logits(frame[None])[0].sigmoid().numpy()):
            mask = probability > 0.5
            if mask.any():
                scores = np.zeros(self.output.out_channels, np.float32)
                scores[label] = probability[mask].mean()
                found.append(FrameDetection(label, scores, encode(mask)))
        return tuple(found)

    def track(self, video, frames):
        for index, frame in enumerate(frames):
            yield FrameResult(index, self.detections(frame))

    def summarise(self, video, results):
        tracks = []
        for label in range(self.output.out_channels):
            by_frame = {
                result.index: detection
                for result in results
                for detection in result.detections
                if detection.identity == label
            }
            if by_frame:
                score = max(float(detection.class_scores[label]) for detection in by_frame.values())
                masks = [by_frame[t].segmentation if t in by_frame else None for t in range(video.length)]
                tracks.append(VideoInstance(label, score, tuple(masks)))
        return tracks


class Offline(Good):
    """Keeps its promises too; it makes fewer."""

    info = dataclasses.replace(INFO, online=False, paradigm="clip-level")

    def track(self, video, frames):
        results = [FrameResult(index, self.detections(frame)) for index, frame in enumerate(frames)]
        return self.summarise(video, results)


class InPhases(Good):
    """Keeps its promises: the second phase trains the output alone."""

    configs = TWO_PHASES

    def enter_phase(self, number):
        self.backbone.requires_grad_(False)


class Random(Good):
    """Keeps its promises with random numbers in training and tracking, both seeded by the harness."""

    def logits(self, frames):
        logits = super().logits(frames)
        return logits + 0.1 * torch.randn_like(logits)


class WithUnusedPart(Good):
    """Keeps its promises and has a layer that nothing uses."""

    def __init__(self, config, num_classes):
        super().__init__(config, num_classes)
        self.unused = nn.Linear(2, 2)


# faults of the declaration


class ChoiceOfNothing(Good):
    choices = (Choice("-", "train.learning_rate", "ours", "there is no such key"),)


class NoLosses(Good):
    losses = None


class DoesNotBuild(Good):
    def __init__(self, config, num_classes):
        raise ValueError("no such width")


# faults of the losses


class NanLoss(Good):
    def losses(self, clips):
        return {"pixels": super().losses(clips)["pixels"] * torch.tensor(0.0).log() * 0}


class NoGradient(Good):
    def losses(self, clips):
        return {"pixels": super().losses(clips)["pixels"].detach()}


class NeverLearns(Good):
    def losses(self, clips):
        logits = self.logits(torch.cat([clip.frames for clip in clips]))
        return {"pixels": functional.binary_cross_entropy_with_logits(logits, torch.rand_like(logits))}


class NeedsObjects(Good):
    def losses(self, clips):
        largest = max(clip.boxes.max() for clip in clips)
        return {"pixels": super().losses(clips)["pixels"] * (largest > 0)}


class NanWithoutObjects(Good):
    def losses(self, clips):
        counts = torch.stack([clip.masks.float().mean() for clip in clips])
        return {"pixels": super().losses(clips)["pixels"] + 0 * counts.mean()}


class OneSize(Good):
    def losses(self, clips):
        torch.stack([clip.frames for clip in clips])
        return super().losses(clips)


class BackbonePerClip(Good):
    def losses(self, clips):
        return {
            "pixels": torch.stack([super(BackbonePerClip, self).losses([c])["pixels"] for c in clips]).mean()
        }


class UnseededStart(Good):
    def __init__(self, config, num_classes):
        super().__init__(config, num_classes)
        nn.init.constant_(self.output.bias, np.random.default_rng().normal())


class UnseededTraining(Good):
    def losses(self, clips):
        noise = float(np.random.default_rng().normal())
        return {"pixels": super().losses(clips)["pixels"] * (1 + 0.01 * noise)}


class FirstClipCountsTwice(Good):
    def losses(self, clips):
        extra = super().losses(clips[:1])["pixels"]
        return {"pixels": super().losses(clips)["pixels"] + 0 * self.backbone[0].bias.sum() + extra}


class ThawsFrozenNorm(Good):
    """Freezes a normalisation layer by its parameters alone; its statistics go on moving."""

    configs = TWO_PHASES

    def __init__(self, config, num_classes):
        super().__init__(config, num_classes)
        self.backbone.append(nn.BatchNorm2d(12))

    def enter_phase(self, number):
        self.backbone.requires_grad_(False)


class GrowsInPhases(Good):
    configs = TWO_PHASES

    def enter_phase(self, number):
        self.extra = nn.Linear(2, 2)


# faults of tracking


class WrongMaskSize(Good):
    def detections(self, frame):
        return super().detections(functional.pad(frame, (0, 32, 0, 32)))


class ScoresAboveOne(Good):
    def detections(self, frame):
        return tuple(
            dataclasses.replace(found, class_scores=5 * found.class_scores)
            for found in super().detections(frame)
        )


class OneIdentityForAll(Good):
    def detections(self, frame):
        return tuple(dataclasses.replace(found, identity=0) for found in super().detections(frame))


class ReadsAhead(Good):
    def track(self, video, frames):
        for index, frame in enumerate(list(frames)):
            yield FrameResult(index, self.detections(frame))


class KnowsTheLength(Good):
    """Reads nothing ahead, but its scores depend on how many frames there will be."""

    def track(self, video, frames):
        for result in super().track(video, frames):
            found = [
                dataclasses.replace(detection, class_scores=detection.class_scores / video.length)
                for detection in result.detections
            ]
            yield FrameResult(result.index, tuple(found))


class OnlineOnPaper(Good):
    """Says that it is on-line and returns finished tracks."""

    def track(self, video, frames):
        return Offline.track(self, video, frames)


class CountsThroughVideos(Good):
    """Numbers its tracks on from the video before."""

    first_identity = 0

    def track(self, video, frames):
        for result in super().track(video, frames):
            found = [
                dataclasses.replace(detection, identity=detection.identity + self.first_identity)
                for detection in result.detections
            ]
            yield FrameResult(result.index, tuple(found))
        self.first_identity += 10

    def summarise(self, video, results):
        return []


class AdaptsItsWeights(Good):
    """Shifts a bias with every frame that it sees; no result of the short videos shows it."""

    def detections(self, frame):
        found = super().detections(frame)
        self.output.bias += 1e-7
        return found


class RandomTracking(Good):
    def detections(self, frame):
        noise = np.float32(np.random.default_rng().uniform(0.5, 0.9))
        return tuple(
            dataclasses.replace(found, class_scores=noise * found.class_scores)
            for found in super().detections(frame)
        )


class EvenSizesOnly(Good):
    def logits(self, frames):
        halved = functional.avg_pool2d(super().logits(frames), 2)
        return functional.interpolate(halved, scale_factor=2)

    def losses(self, clips):
        # trained on even sizes: the fault is seen at inference alone
        return Good.losses(_Whole(self), clips)


class _Whole:
    """The same layers without the pooling."""

    def __init__(self, model):
        self.backbone, self.output = model.backbone, model.output

    def logits(self, frames):
        return Good.logits(self, frames)


class NeedsTwoFrames(Good):
    def summarise(self, video, results):
        spread = statistics.stdev(len(result.detections) for result in results)
        return [] if spread < 0 else super().summarise(video, results)


class NeedsDetections(Good):
    def detections(self, frame):
        found = super().detections(frame)
        best = max(detection.class_scores.max() for detection in found)
        return tuple(detection for detection in found if detection.class_scores.max() > best - 1)


class HiddenState(Good):
    """Learns a threshold that is neither parameter nor buffer."""

    def __init__(self, config, num_classes):
        super().__init__(config, num_classes)
        self.steps = 0

    def losses(self, clips):
        self.steps += 1
        return super().losses(clips)

    def detections(self, frame):
        share = np.float32(self.steps / (1 + self.steps))
        return tuple(
            dataclasses.replace(found, class_scores=share * found.class_scores)
            for found in super().detections(frame)
        )


# a method with an association rule of its own, and faults of its declaration


def associate(config, frames, num_classes):
    """Identities are numbered in the order in which their classes appear."""
    identities = {}
    for index, found in enumerate(frames):
        detections = []
        for label, score, mask in zip(found.labels, found.scores, found.segmentations, strict=True):
            scores = np.zeros(num_classes, np.float32)
            scores[label] = score
            detections.append(FrameDetection(identities.setdefault(label, len(identities)), scores, mask))
        yield FrameResult(index, tuple(detections), found)


def summarise(config, results, length):
    """One track per identity; the score is that of its last frame."""
    tracks = {}
    for result in results:
        for detection in result.detections:
            label = int(detection.class_scores.argmax())
            _, _, masks = tracks.setdefault(detection.identity, (label, [], [None] * length))
            masks[result.index] = detection.segmentation
            tracks[detection.identity][1].append(float(detection.class_scores[label]))
    return [VideoInstance(label, scores[-1], tuple(masks)) for label, scores, masks in tracks.values()]


def restart_every_frame(config, frames, num_classes):
    """Another rule: the tracks of a frame have nothing to do with those before."""
    first = 0
    for result in associate(config, frames, num_classes):
        found = [
            dataclasses.replace(detection, identity=first + number)
            for number, detection in enumerate(result.detections)
        ]
        first += len(found)
        yield dataclasses.replace(result, detections=tuple(found))


class ByRule(Good):
    def candidates(self, frame):
        found = super().detections(frame)
        corners = [(x, y, x + w, y + h) for x, y, w, h in (tight_box(one.segmentation) for one in found)]
        return RawDetections(
            scores=np.array([float(one.class_scores.max()) for one in found]),
            labels=np.array([one.identity for one in found], np.int64),
            boxes=np.array(corners, np.float64).reshape(len(found), 4),
            embeddings=np.zeros((len(found), 0)),
            segmentations=tuple(one.segmentation for one in found),
        )

    def track(self, video, frames):
        yield from associate(None, (self.candidates(frame) for frame in frames), self.output.out_channels)

    def summarise(self, video, results):
        return summarise(None, results, video.length)


class KeepsLowerScores(ByRule):
    """Stores other detections than those that it associates."""

    def track(self, video, frames):
        for result in super().track(video, frames):
            lower = dataclasses.replace(result.candidates, scores=0.9 * result.candidates.scores)
            yield dataclasses.replace(result, candidates=lower)


class KeepsNone(ByRule):
    def track(self, video, frames):
        for result in super().track(video, frames):
            yield dataclasses.replace(result, candidates=None)


WithRule = MethodSpec(
    INFO,
    Good.configs,
    (),
    ByRule,
    associate=f"{__name__}:associate",
    summarise=f"{__name__}:summarise",
)
NamesAnotherRule = dataclasses.replace(WithRule, associate=f"{__name__}:restart_every_frame")
NamesHalfARule = dataclasses.replace(WithRule, summarise=None)
StoresOtherDetections = dataclasses.replace(WithRule, build=KeepsLowerScores)
StoresNoDetections = dataclasses.replace(WithRule, build=KeepsNone)


class WithHead(Good):
    """Has a head for tracking, which teaches nothing and is not there on images."""

    def __init__(self, config, num_classes):
        super().__init__(config, num_classes)
        self.head = nn.Linear(1, 1) if config.tracks else None


class NeedsPairs(WithHead):
    def losses(self, clips):
        terms = super().losses(clips)
        return terms if len(clips[0].frames) == 2 else {"mask": terms["mask"] / 0}


_ON_IMAGES = ImageStage(overrides={"tracks": False}, new=(r"head\.",))
WithImages = MethodSpec(INFO, Good.configs, (), WithHead, image_stage=_ON_IMAGES)
WithPairs = dataclasses.replace(
    WithImages, build=NeedsPairs, image_stage=dataclasses.replace(_ON_IMAGES, frames=2)
)
SinglesForPairs = dataclasses.replace(WithImages, build=NeedsPairs)
ForgetsAHead = dataclasses.replace(WithImages, image_stage=ImageStage(overrides={"tracks": False}))
NamesNoValue = dataclasses.replace(WithImages, image_stage=ImageStage(overrides={"trakcs": False}))
