"""What a method is: the door through which every reimplementation, ours or a stranger's, comes in.

A method is found by entry point (group `vis_bench.methods`) or by `path/to/file.py:NAME`; either leads to
a `MethodSpec`. This module imports no torch, so that listing methods stays instant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from vis_bench.types import Box, IouType, Rle, Video

if TYPE_CHECKING:
    import numpy as np
    import torch

ADDED_LATER: Mapping[str, bool] = MappingProxyType({"added_later": True})
"""Metadata of a configuration field that came after records were made, for `dataclasses.field`. It is written
only where it differs from its default, which has to mean what was done before, so that the values and hashes
of older records stay those of the same configuration today."""

Paradigm = str
"""Any words that are not empty; ours are `tracking by detection`, `query propagation` and `clip-level`, and
for foreign code also `memory tracking`."""
ChoiceSource = Literal["paper", "public code", "ours"]


@dataclass(frozen=True, slots=True)
class MethodInfo:
    """Who a method is.

    online: frame t's result is yielded before frame t+1 is asked for. iou_type: what it predicts and is
    scored on, masks or boxes; the two never share a table block.
    """

    name: str
    title: str
    paradigm: Paradigm
    online: bool
    paper: str
    licence: str
    iou_type: IouType = "segm"


@dataclass(frozen=True, slots=True)
class Choice:
    """A decision that the paper leaves open (or that is easily got wrong), held as a configuration value.

    id: row of the decision register (`D5`) or `-`. key: dotted name in the configuration.
    source: where the default comes from. note: the reason, with paper section or public code.
    """

    id: str
    key: str
    source: ChoiceSource
    note: str


@dataclass(frozen=True, slots=True)
class ClipSampling:
    """How training clips are cut from a video.

    frames: frames per clip. window: largest distance in labelled frames from the key frame to any other
    frame of the clip; None means the whole video. ordered: frames sorted in time (else the key frame comes
    first, the others in random order). draw: whether each epoch goes once through the videos, with a random
    key frame of each, or once through the frames, each of them a key frame. only_with_objects: no frame is
    drawn that shows nothing; where a video has no other, any of its frames.
    """

    frames: int
    window: int | None = None
    ordered: bool = True
    draw: Literal["videos", "frames"] = field(default="videos", metadata=dict(ADDED_LATER))
    only_with_objects: bool = field(default=False, metadata=dict(ADDED_LATER))


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Augmentation shared by all frames of a clip.

    short_sides: one is drawn per clip and the shorter side is resized to it, keeping the aspect ratio;
    empty keeps the original size. max_long_side: upper bound of the longer side in pixels. flip:
    probability of a horizontal flip. crop: (probability, smallest fraction of each side kept).
    """

    short_sides: tuple[int, ...] = ()
    max_long_side: int = 1333
    flip: float = 0.5
    crop: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Optimisation of one method: fixed iteration counts, never a wall-clock cap (it breaks reproducibility).

    iterations: optimiser steps. batch_size: clips per step. lr_steps: iterations at which `step` multiplies
    the rate by 0.1; `cosine` decays to 1 % of it. backbone_lr_factor: multiplies the rate of parameters
    under `backbone.`. norm_weight_decay: decay of normalisation and embedding parameters, None = as the
    rest. grad_clip_norm: None = no clipping. shard_clips: clips of a step that are computed together, as one
    device of the paper saw them: padding and batch statistics live in such a shard, and the gradients of all
    shards are averaged. It divides batch_size; None is the whole batch. from_imagenet_lr: the rate in place
    of `lr` where a model starts from a backbone alone, for a paper whose own rate fine-tunes a whole model;
    None is `lr`.
    """

    iterations: int
    batch_size: int
    optimizer: Literal["sgd", "adamw"]
    lr: float
    weight_decay: float = 1e-4
    momentum: float = 0.9
    norm_weight_decay: float | None = None
    backbone_lr_factor: float = 1.0
    schedule: Literal["step", "cosine"] = "step"
    lr_steps: tuple[int, ...] = ()
    warmup_iterations: int = 0
    warmup_factor: float = 0.01
    grad_clip_norm: float | None = None
    shard_clips: int | None = field(default=None, metadata=dict(ADDED_LATER))
    from_imagenet_lr: float | None = field(default=None, metadata=dict(ADDED_LATER))
    sampling: ClipSampling = field(default_factory=lambda: ClipSampling(frames=2))
    augmentation: Augmentation = field(default_factory=Augmentation)


@dataclass(frozen=True, slots=True)
class Clip:
    """A training clip: T frames of one video under one augmentation, N objects visible in at least one.

    frames: [T, 3, H, W] uint8 RGB. labels: [N] int64 in 0..C-1, from the object record. masks:
    [T, N, H, W] bool. boxes: [T, N, 4] float32 (x1, y1, x2, y2) in pixels, tight on the transformed mask
    (x2, y2 exclusive), zeros where not visible. visible: [T, N] bool. N may be 0.
    """

    frames: torch.Tensor
    labels: torch.Tensor
    masks: torch.Tensor
    boxes: torch.Tensor
    visible: torch.Tensor

    def to(self, device: torch.device | str) -> Clip:
        """The same clip on another device."""
        names = ("frames", "labels", "masks", "boxes", "visible")
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in names})


@dataclass(frozen=True, slots=True)
class FrameDetection:
    """One object in one frame, as an online method emits it.

    identity: number of the track inside this video (>= 0). class_scores: [C] float32 in 0..1 (a method with
    one class per detection leaves the others 0). segmentation: RLE at the original size, None when the
    object counts as absent here. box: (x, y, width, height) in original pixels, None where not predicted.
    """

    identity: int
    class_scores: np.ndarray
    segmentation: Rle | None
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class RawDetections:
    """The detections of one frame before association.

    scores: [n] float64 in 0..1. labels: [n] int64 in 0..C-1. boxes: [n, 4] float64 (x1, y1, x2, y2), original
    pixels. embeddings: [n, D] float64, D = 0 where there is no appearance to compare. segmentations: n masks
    at the original size, None where a mask is empty; any sequence, so that masks can be drawn when read.
    """

    scores: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    embeddings: np.ndarray
    segmentations: Sequence[Rle | None]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True)
class FrameResult:
    """All detections of frame `index` (0-based).

    candidates: what a method that detects first and associates then had before association, None for any
    other. It is stored with `vis-bench run --keep-frames`.
    """

    index: int
    detections: tuple[FrameDetection, ...]
    candidates: RawDetections | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class VideoInstance:
    """One track of a whole video: label in 0..C-1, score, one segmentation (or None) per frame."""

    label: int
    score: float
    segmentations: tuple[Rle | None, ...]
    boxes: tuple[Box | None, ...] | None = None


@runtime_checkable
class Method(Protocol):
    """What `MethodSpec.build` returns: a torch module with three functions.

    An online method's `track` is a generator that yields the FrameResult of frame t before it asks for
    frame t+1; `summarise` then turns frame results into tracks (sequence score, class vote). Any other
    method returns the tracks at once and needs no `summarise`. Frames arrive as [3, H, W] uint8 RGB at the
    original size on the method's device. No state may survive from one video to the next.

    A method that is trained keeps its image backbone in the attribute `backbone`, so that the shared
    initialisation can be loaded into it.

    A method that divides a loss by a count of what is in the batch, and whose public code takes that count
    over all devices, also has `normalisers(clips)`: counts by name, from the targets of a shard alone, on the
    host. `losses` is then given their means over all shards, or None where the shard is the whole batch.

    A method that is trained in phases (`later_training` in its configuration, see MethodSpec) also has
    `enter_phase(number)`, called once before phase `number` (1, 2, ...), in order, with the evaluated weights
    of the phase before it in place. It initialises and freezes what the phase needs: parameters without
    `requires_grad` are not trained, and `train()` must keep frozen normalisation in evaluation mode. It adds
    and removes no parameter. A resumed run calls it again before it loads the weights.
    """

    def losses(
        self, clips: Sequence[Clip], normalisers: Mapping[str, Sequence[float]] | None = None
    ) -> dict[str, torch.Tensor]: ...

    def track(
        self, video: Video, frames: Iterator[torch.Tensor]
    ) -> Iterator[FrameResult] | list[VideoInstance]: ...

    def summarise(self, video: Video, results: Sequence[FrameResult]) -> list[VideoInstance]: ...


@dataclass(frozen=True, slots=True)
class MacCount:
    """How `methods show` counts the multiply-adds of a frame; weights are random and so is the video.

    overrides: dotted keys set for the count, such as a score threshold of 0, so that as many objects are kept
    as the method allows; they must not change parameters, and keys that the configuration lacks are left out.
    frame_shares: from a configuration to the share of each frame of the video in the mean; None is (0, 1),
    the second frame, for an online method, and (1/2, 1/2), a clip of two frames, for any other. Given where
    frames differ in cost.
    """

    overrides: Mapping[str, Any] = field(default_factory=dict)
    frame_shares: Callable[[Any], tuple[float, ...]] | None = None


ClassRows = Literal["new", "by-name"]
"""What becomes of a class head that starts from weights for other classes."""


@dataclass(frozen=True, slots=True)
class ImageStage:
    """How a method's whole model is trained on single images, before videos, as papers start from COCO.

    frames: of a training clip: 1, or 2 for a still pair, one image under two augmentations, where the losses
    need a pair. overrides: dotted keys set for the stage, so that terms for tracking and association are off;
    variants that differ in them alone share its weights. unused: dotted keys that the stage's training never
    reads (inference, association); they part no weights either. new: regular expressions that the names of
    tensors begin with which start randomly in the video stage. same_as: name of another method whose stage
    serves, called on `as_that(configuration)`. Then overrides, unused and frames are those of the other
    method, of whose stage everything has to fit but what either calls new. absent: regular expressions as in
    `new` of names that begin like some of that stage's, of which it may lack some.
    """

    frames: int = 1
    overrides: Mapping[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    same_as: str | None = None
    as_that: Callable[[Any], Any] | None = None
    absent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClassHead:
    """Tensors whose first dimension runs over classes, so that they change with the class list.

    name: regular expression that the names of the tensors (the model's own) begin with. rows: rows of one
    class (4 for box deltas). background: where the rows of the background are.
    """

    name: str
    rows: int = 1
    background: Literal["none", "first", "last"] = "none"

    def accepts(self, given: Sequence[int], own: Sequence[int]) -> bool:
        """Whether a tensor of shape `given` is the same head for another number of classes."""
        same_rest = len(given) == len(own) and tuple(given[1:]) == tuple(own[1:])
        return same_rest and len(given) > 0 and given[0] % self.rows == 0


@dataclass(frozen=True, slots=True)
class StartRules:
    """What a file may lack and may have too much when a method starts from it; the rest has to fit.

    may_miss: regular expressions that names of the model may begin with (a tracking head). may_be_unused: the
    same for names in the file. class_heads: what starts anew, or class by class, where the classes differ.
    """

    may_miss: tuple[str, ...] = ()
    may_be_unused: tuple[str, ...] = ()
    class_heads: tuple[ClassHead, ...] = ()


@dataclass(frozen=True, slots=True)
class Foreign:
    """Code of others behind our door: it is run with its weights as they are, and never trained here.

    code: words for tables, what it is and in which version. files: of the adapter and the project, whose
    contents are a part of a run's name. load: puts a file of weights into the built model,
    `load(model, path) -> Start`; None where the model brings its weights. weights_hash: SHA-256 of those that
    it brings. prompt: what it is told of the truth beforehand, "" for nothing; prompted runs have tables of
    their own. class_names: of the model, where it says. own_number: builds it with as many classes as it has,
    `own_number(config) -> model` with the attribute `num_classes`, where any number will do.

    The built model may have `prepare_for(dataset)`, called before the first video of a data set is tracked:
    it sees names of classes (and the truth, where `prompt` says so) and returns sentences for the record.
    """

    code: str
    files: tuple[Path, ...] = ()
    load: Callable[[Any, Path], Any] | None = None
    weights_hash: str | None = None
    prompt: str = ""
    class_names: tuple[str, ...] = ()
    own_number: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """A method as the harness sees it before any torch is imported.

    configs: frozen dataclasses by name; each has a field `train: TrainConfig`, and for a method trained in
    phases an attribute `later_training: tuple[TrainConfig, ...]` (a field, or a property made from fields)
    for the phases after the first. Each phase has its own optimiser, sampling, augmentation and moving
    average, and starts from the evaluated weights of the one before. Names that matter: `paper`
    (the paper's sizes), `tiny` (for `shapes` on a CPU) and `quick` (`tiny` with a shorter schedule).
    variants: dotted keys to change, by the name of an ablation row; NAME@VARIANT applies them to the
    protocol's configuration, NAME@CONFIG+VARIANT to that one. build: `module:callable` or the callable,
    called as `callable(config, num_classes)`. choices: the open points of the paper. sources:
    `module:callable` that gives the public checkpoints that this method can start from, as a sequence of
    `vis_bench.weights.source.Source`, for a configuration; or None.
    start: what a file with this method's own names may lack (what is new in the video stage) and may have
    too much, and its class heads.
    schedules: dotted keys to change in the configuration `paper`, by name of the data set that is trained on,
    where a paper or its public code has another schedule there. phase_keys: dotted keys of the parts of a
    configuration that hold `iterations`, `warmup_iterations` and `lr_steps` of each phase, so that a protocol
    can set them. detection_frames: from (configuration, number of a phase) to the frames of its clips that
    have a detection loss; None is all of them. image_stage: None starts from the backbone. track_cap:
    (dotted key of the most tracks that are put out, whether it counts in a video or a frame), used in
    tracking alone: what `--max-tracks` sets, None for a method without such a cap. identity_cap: dotted key
    of the most identities that are remembered in a video (its value None: all), for a method whose memory
    would grow with them: `vis-bench track` sets it, a run does not. gpu_precision: word of --precision that
    is meant on GPUs when none is given. mac_count: how the method's cost per frame is counted.
    associate, summarise: for a method that detects first and associates then, `module:callable` of its
    association alone, importable without torch, so that stored frame predictions of any method can be
    associated under its rule. Called as `associate(config, frames, num_classes) -> Iterator[FrameResult]`
    with the RawDetections of the frames of one video, and as `summarise(config, results, length) ->
    list[VideoInstance]`; both or neither. foreign: for code of others, None for a method.
    """

    info: MethodInfo
    configs: Mapping[str, Any]
    choices: tuple[Choice, ...]
    build: str | Callable[[Any, int], Any]
    sources: str | None = None
    start: StartRules = field(default_factory=StartRules)
    gpu_precision: str = "fp32"
    track_cap: tuple[str, Literal["video", "frame"]] | None = None
    identity_cap: str | None = None
    schedules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    phase_keys: tuple[str, ...] = ("train",)
    detection_frames: Callable[[Any, int], int] | None = None
    image_stage: ImageStage | None = None
    mac_count: MacCount = field(default_factory=MacCount)
    associate: str | None = None
    summarise: str | None = None
    foreign: Foreign | None = None
