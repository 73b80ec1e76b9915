"""One-clip overfit: the shortest proof that a method's targets, losses and inference fit together.

A method that cannot reproduce one short video that it was trained on has an error; nothing else explains it.
The tiny configuration is trained for at most 300 steps on one video, alone, without augmentation, and has to
come near its ceiling: the AP of the truth itself after the method's own target encoding and mask decoding.

    @pytest.mark.slow
    def test_one_clip(tmp_path):
        outcome = overfit("stc", tmp_path)
        assert_overfit(outcome, ceiling_ap(outcome.dataset, decoded_stride4_masks))

The video is number 13 of split `train` of `shapes`: two triangles of equal looks and a disc, all of them
visible and apart in the first frames, so a method that cannot tell instances of one class apart fails.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.layers.pretraining import pretrain_on_shapes
from vis_bench.cache import default_cache_root
from vis_bench.data import catalog, shapes
from vis_bench.data.shapes.layout import annotation_file, write_video
from vis_bench.engine.track import track_video
from vis_bench.engine.training.loop import TrainJob, seed_everything, train_method
from vis_bench.masks.rle import decode, encode_or_none
from vis_bench.method import Augmentation, TrainConfig
from vis_bench.records.run import LOG_NAME
from vis_bench.scoring.evaluate import evaluate
from vis_bench.setup.config import override
from vis_bench.setup.plugins import build_method, load_spec
from vis_bench.setup.protocol import Protocol, Training, load_protocol
from vis_bench.setup.seeds import axis_seed
from vis_bench.types import Dataset, Track

VIDEO_INDEX = 13
MAX_ITERATIONS = 300
SEED = 0
MIN_AP50 = 0.95
MIN_SHARE_OF_CEILING = 0.85


@dataclass(frozen=True, slots=True)
class Overfit:
    """What came out: AP50 and AP in 0..1, loss terms of the logged iterations, seconds of training.

    AP is that of masks, or of boxes where the method predicts boxes.
    """

    method: str
    dataset: Dataset
    ap50: float
    ap: float
    tracks: tuple[Track, ...]
    losses: tuple[Mapping[str, float], ...]
    train_seconds: float

    @property
    def totals(self) -> list[float]:
        """Sum of the loss terms at each logged iteration."""
        return [sum(terms.values()) for terms in self.losses]


def one_video(folder: Path, frames: int) -> Dataset:
    """A dataset of the first `frames` frames of the one video, rendered without the rest of its split."""
    written = write_video("shapes-v1", "train", folder, VIDEO_INDEX)
    written = dataclasses.replace(
        written,
        file_names=written.file_names[:frames],
        annotations=[_first_frames(record, frames) for record in written.annotations],
    )
    content = annotation_file("shapes", "train", shapes.FIRST_VERSION, [written])
    path = folder / "instances_train.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return catalog.open_dataset(str(path), "train")


def _first_frames(record: Mapping[str, Any], frames: int) -> dict[str, Any]:
    lists = ("segmentations", "bboxes", "areas")
    return {key: value[:frames] if key in lists else value for key, value in record.items()}


def overfit(
    name: str,
    folder: Path,
    *,
    config: Any = None,
    frames: int | None = None,
    iterations: int = MAX_ITERATIONS,
    changes: Mapping[str, Any] | None = None,
    pretrained: bool = False,
) -> Overfit:
    """Train method `name` on the one video, in all its phases, and track it; boxes are scored as boxes.

    folder: for the video, the log and the checkpoint (tmp_path). config: None means the method's `tiny`.
    frames: length of the video, None for the frames of one training clip (at least 2, so that something has
    to be tracked). changes: dotted configuration keys, such as a smaller batch (all clips show the same
    frames); none may change what is trained for. pretrained: start from the shared pretraining of protocol
    `shapes`, cached where VIS_BENCH_CACHE says. It takes more than a minute where nothing is cached yet, and
    STC does not need it for one clip, so the default is the method's random start.
    """
    if iterations > MAX_ITERATIONS:
        raise ValueError(f"{iterations} iterations; the acceptance test allows {MAX_ITERATIONS}")
    spec = load_spec(name)
    config = override(spec.configs["tiny"] if config is None else config, dict(changes or {}))
    length = frames or max(2, config.train.sampling.frames)
    first, *later = shortened((config.train, *getattr(config, "later_training", ())), iterations)
    config = dataclasses.replace(config, train=first)
    dataset = one_video(folder, length)

    seed_everything(axis_seed(SEED, "init"))
    model = build_method(spec, config, len(dataset.categories))
    if pretrained:
        model.backbone.load_state_dict(_shared_backbone(config.backbone))
    protocol = Protocol(
        name="overfit", about="", config="tiny", training=Training(checkpoint_every_iterations=1000)
    )
    job = TrainJob(first, dataset, protocol, SEED, "cpu", later_training=tuple(later))
    begin = time.perf_counter()
    weights = train_method(model, job, folder, lambda stage, done, total: None)
    seconds = time.perf_counter() - begin
    model.load_state_dict(weights)
    model.eval()
    iou_type = spec.info.iou_type
    tracks = track_video(model, dataset, dataset.videos[0], "cpu", iou_type).tracks
    scores = evaluate(dataset, tracks, ["ap"], iou_type)["video_ap"]
    log = (folder / LOG_NAME).read_text(encoding="utf-8").splitlines()
    return Overfit(
        method=name,
        dataset=dataset,
        ap50=scores["AP50"],
        ap=scores["AP"],
        tracks=tracks,
        losses=tuple(json.loads(line)["losses"] for line in log),
        train_seconds=seconds,
    )


def shortened(phases: Sequence[TrainConfig], iterations: int) -> list[TrainConfig]:
    """The training phases with so many iterations in all, in their proportion, without augmentation."""
    total = sum(phase.iterations for phase in phases)
    ends = [sum(p.iterations for p in phases[: n + 1]) * iterations // total for n in range(len(phases))]
    return [
        dataclasses.replace(phase, iterations=end - start, augmentation=Augmentation(flip=0.0))
        for phase, start, end in zip(phases, [0, *ends], ends, strict=False)
    ]


def _shared_backbone(config: Any) -> dict[str, Tensor]:
    options = load_protocol("shapes").initialisation.options
    cache = default_cache_root()
    return pretrain_on_shapes(config, options, cache, "cpu", lambda done, total: None)


def ceiling_ap(dataset: Dataset, encode_and_decode: Callable[[Tensor], Tensor]) -> float:
    """AP of the truth after a method's own target encoding and mask decoding, all else being perfect.

    encode_and_decode: truth masks [T, N, H, W] bool at the original size -> the masks that the method's
    inference would give for perfect network outputs, of the same shape. Identity gives 1.
    """
    tracks = []
    video = dataset.videos[0]
    truth = dataset.tracks_by_video[video.id]
    masks = torch.zeros(video.length, len(truth), video.height, video.width, dtype=torch.bool)
    for n, track in enumerate(truth):
        for t, segmentation in enumerate(track.segmentations):
            if segmentation is not None:
                masks[t, n] = torch.from_numpy(decode(segmentation))
    decoded = encode_and_decode(masks)
    if decoded.shape != masks.shape or decoded.dtype != torch.bool:
        raise ValueError(f"decoded masks are {tuple(decoded.shape)} {decoded.dtype}, truth {masks.shape}")
    for n, track in enumerate(truth):
        segmentations = tuple(encode_or_none(decoded[:, n].numpy()))
        tracks.append(Track(video.id, track.category_id, 1.0, segmentations))
    return evaluate(dataset, tracks, ["ap"])["video_ap"]["AP"]


def assert_overfit(outcome: Overfit, ceiling: float) -> None:
    """AP50 of at least 0.95, and AP of at least 0.85 of the ceiling; a ceiling below 0.5 is an error."""
    said = (
        f"{outcome.method}: AP50 {outcome.ap50:.3f}, AP {outcome.ap:.3f} of a ceiling of {ceiling:.3f} on "
        f"its own training clip ({outcome.train_seconds:.0f} s, loss {outcome.totals[0]:.3f} -> "
        f"{outcome.totals[-1]:.3f})"
    )
    assert ceiling >= 0.5, f"{said}: the target encoding itself loses the objects"
    assert outcome.ap50 >= MIN_AP50, said
    assert outcome.ap >= MIN_SHARE_OF_CEILING * ceiling, said
