"""detectron2 models behind our door: whole videos in, tracks out; or frames in, detections out."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vis_bench.errors import DataError, MethodError
from vis_bench.integrations.detectron2.install import make_importable
from vis_bench.integrations.detectron2.place import Place, import_modules, put_on_path
from vis_bench.integrations.detectron2.projects import Project
from vis_bench.integrations.frames import FrameConfig, FrameTracker, raw_detections
from vis_bench.integrations.native import ForeignConfig, Native, as_picture
from vis_bench.masks.rle import encode
from vis_bench.method import RawDetections, VideoInstance
from vis_bench.setup.plugins import load_object
from vis_bench.types import Rle, Video

PLACEHOLDER = "vis_bench_none"
"""Name of a data set in a configuration that names none; models look up its metadata when they are built."""


def build(
    config: ForeignConfig,
    num_classes: int | None,
    *,
    path: Path,
    project: Project,
    place: Place,
    modules: Sequence[str],
) -> Native:
    """The method of a configuration file with random weights, on the CPU.

    num_classes: of the data set, None for as many as the model has. Raises DataError (exit code 3) for
    another number, MethodError (4) where the project cannot be imported or does not know the file's keys.
    """
    with warnings.catch_warnings():
        # projects are older than the libraries that they import; that is said of every one of them
        warnings.simplefilter("ignore", FutureWarning)
        put_on_path(place)
        make_importable()
        import_modules(modules, place)
        cfg = _configuration(path, project, config.opts)
        native = _native(cfg)
    found = _classes(native, cfg, project)
    if found is not None and num_classes is not None and found != num_classes:
        raise DataError(
            f"{path}: a model of {found} classes{f' ({project.classes})' if project.classes else ''}, the "
            f"data set has {num_classes}. Class i of the model has to be the i-th category of the data set."
        )
    classes = num_classes if found is None else found
    if classes is None:
        raise MethodError(f"{path}: it is not known how many classes the model has.")
    if project.videos:
        return VideoProject(native, cfg, classes)
    assert isinstance(config, FrameConfig)
    return FrameTracker(FrameModel(native, cfg, config), config, classes)


def _configuration(path: Path, project: Project, opts: Sequence[str]) -> Any:
    """The frozen configuration of the file, on the CPU and without weights of its own."""
    cfg = load_object(project.get_cfg)()
    for function in project.functions:
        load_object(function)(cfg)
    try:
        cfg.merge_from_file(str(path), allow_unsafe=False)
        cfg.merge_from_list(list(opts))
    except (KeyError, ValueError, AssertionError) as error:
        called = ", ".join(project.functions) or "none"
        raise MethodError(
            f"{path}: {str(error).strip(chr(34))} Functions that add keys, called before: {called}. Name the "
            "project's own with --project MODULE:add_a_config,add_b_config."
        ) from None
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.WEIGHTS = ""
    for part in ("TRAIN", "TEST"):
        if not cfg.DATASETS[part]:
            cfg.DATASETS[part] = (PLACEHOLDER,)
    cfg.freeze()
    return cfg


def _native(cfg: Any) -> Any:
    from detectron2.modeling import build_model

    try:
        return build_model(cfg)
    except KeyError as error:
        raise MethodError(
            f"detectron2 knows no {cfg.MODEL.META_ARCHITECTURE!r} or a part of it ({error}). Name the "
            "project that registers it with --project."
        ) from None


def _classes(native: Any, cfg: Any, project: Project) -> int | None:
    """How many classes a model has, by its configuration or by itself, or None."""
    value: Any = cfg
    for part in project.classes.split(".") if project.classes else ():
        value = getattr(value, part, None)
    if isinstance(value, int):
        return value
    holders = (native, getattr(native, "sem_seg_head", None), getattr(native, "roi_heads", None))
    return next(
        (int(one.num_classes) for one in holders if one is not None and hasattr(one, "num_classes")), None
    )


class _OnDevice(Native):
    """A model that is built anew on another device: some keep tensors that `to` does not know of."""

    def __init__(self, native: Any, cfg: Any) -> None:
        super().__init__()
        self.native = native
        self.cfg = cfg
        from detectron2.data.transforms import ResizeShortestEdge

        self.resize = ResizeShortestEdge(cfg.INPUT.MIN_SIZE_TEST, cfg.INPUT.MAX_SIZE_TEST)

    def to(self, *arguments: Any, **options: Any) -> Any:
        """The model on another device, with the same weights."""
        device = torch._C._nn._parse_to(*arguments, **options)[0]
        if device is not None and str(device) != self.cfg.MODEL.DEVICE:
            cfg = self.cfg.clone()
            cfg.defrost()
            cfg.MODEL.DEVICE = str(device)
            cfg.freeze()
            state = self.state_dict()
            self.native, self.cfg = _native(cfg), cfg
            self.load_state_dict(state)
        return super().to(*arguments, **options)

    def as_input(self, frame: Tensor) -> Tensor:
        """A frame as projects' own test mappers make it: [3, h, w] uint8, in the order of INPUT.FORMAT."""
        picture = as_picture(frame)
        if self.cfg.INPUT.FORMAT == "BGR":
            picture = picture[:, :, ::-1]
        elif self.cfg.INPUT.FORMAT != "RGB":
            raise MethodError(f"INPUT.FORMAT {self.cfg.INPUT.FORMAT!r}: only RGB and BGR are known.")
        resized = self.resize.get_transform(picture).apply_image(picture)
        return torch.as_tensor(np.ascontiguousarray(resized.transpose(2, 0, 1)))


class VideoProject(_OnDevice):
    """A model that takes all frames of a video and returns its tracks. num_classes: C."""

    def __init__(self, native: Any, cfg: Any, num_classes: int) -> None:
        super().__init__(native, cfg)
        self.num_classes = num_classes

    @torch.no_grad()
    def track(self, video: Video, frames: Iterator[Tensor]) -> list[VideoInstance]:
        """All tracks, as the model gives them; it reads every frame before it answers."""
        images = [self.as_input(frame) for frame in frames]
        given = {
            "image": images,
            "height": video.height,
            "width": video.width,
            "length": len(images),
            "video_id": video.id,
            "file_names": list(video.file_names),
        }
        output = _called(self.native, given)
        if isinstance(output, list) and len(output) == 1:
            (output,) = output
        return tracks_of(output)


def _called(native: Any, given: Mapping[str, Any]) -> Any:
    """What a project puts out. Raises MethodError for one that asks for a GPU where there is none."""
    try:
        return native([given])
    except (RuntimeError, AssertionError) as error:
        wants_gpu = "NVIDIA" in str(error) or "CUDA" in str(error)
        if torch.cuda.is_available() or not wants_gpu:
            raise
        first = str(error).splitlines()[0]
        raise MethodError(
            "the project's code puts tensors on a GPU, whatever device it is told, and there is none here "
            f"({first}). Run it on a machine with CUDA."
        ) from None


def tracks_of(output: Mapping[str, Any]) -> list[VideoInstance]:
    """The tracks of one video as projects put it out; masks are encoded one by one and given up.

    output: `pred_scores`, `pred_labels` (0-based) and `pred_masks`, of each track [T, H, W] bool or a list of
    [H, W] and None. Raises MethodError where a key is missing.
    """
    missing = [key for key in ("pred_scores", "pred_labels", "pred_masks") if key not in output]
    if missing:
        raise MethodError(
            f"the model's output has no {missing[0]!r} but {', '.join(map(str, output))}: it is none of the "
            "kind of Mask2Former-VIS. A model of single images takes --associate RULE."
        )
    masks = list(output["pred_masks"])
    found = []
    for number, (score, label) in enumerate(zip(output["pred_scores"], output["pred_labels"], strict=True)):
        segmentations = tuple(_encoded(mask) for mask in masks[number])
        masks[number] = None
        found.append(VideoInstance(int(label), float(score), segmentations))
    return found


def _encoded(mask: Any) -> Rle | None:
    if mask is None:
        return None
    array = mask.cpu().numpy() if isinstance(mask, Tensor) else np.asarray(mask)
    return encode(array.astype(bool)) if array.any() else None


class FrameModel(_OnDevice):
    """A model of single images whose output has masks."""

    def __init__(self, native: Any, cfg: Any, config: FrameConfig) -> None:
        super().__init__(native, cfg)
        self.config = config

    @torch.no_grad()
    def detect(self, frame: Tensor) -> RawDetections:
        """Detections of one frame [3, H, W] uint8 RGB before association, best first."""
        height, width = int(frame.shape[-2]), int(frame.shape[-1])
        (output,) = self.native([{"image": self.as_input(frame), "height": height, "width": width}])
        if "instances" not in output or not output["instances"].has("pred_masks"):
            raise MethodError("the model puts out no instances with masks, which tracks are made of.")
        found = output["instances"].to("cpu")
        boxes = found.pred_boxes.tensor.numpy() if found.has("pred_boxes") else None
        masks = found.pred_masks
        masks = masks.tensor if hasattr(masks, "tensor") else masks
        # some models give boxes of zeros, which say nothing
        boxes = None if boxes is not None and not boxes.any() else boxes
        return raw_detections(
            found.scores.numpy(), found.pred_classes.numpy(), masks.numpy() > 0.5, self.config, boxes
        )
