"""MaskTrack R-CNN as the harness sees it: sizes, detections of a frame, online tracking, configuration."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS
from masktrack_samples import HEIGHT, WIDTH, make_clip, small_config, small_model
from torch import Tensor, nn

from methods.layers.box_codec import encode_deltas
from methods.masktrack_rcnn import SPEC
from methods.masktrack_rcnn.choices import CHOICES
from methods.masktrack_rcnn.config import CONFIGS, MaskTrackConfig
from methods.masktrack_rcnn.inference import select_detections
from methods.masktrack_rcnn.model import MaskTrackRcnn
from methods.tracking.association import track_detections
from vis_bench.errors import UsageError
from vis_bench.masks.rle import area, decode
from vis_bench.method import Method
from vis_bench.setup.config import choose_config, override
from vis_bench.types import Video

# coordinates of up to 200 px are encoded and decoded in about ten roundings, which are 2e-4 px in all at most
THOUSANDTH_PIXEL = 1e-3


def video(length: int) -> Video:
    return Video(1, "v", WIDTH, HEIGHT, tuple(f"v/{i}.png" for i in range(length)))


def frame(height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


def logits_of(*probabilities: list[float]) -> Tensor:
    return torch.tensor(probabilities).log()


class OneBox(nn.Module):
    """A box head that sees one box of one class, whatever the regions it is asked about."""

    def __init__(
        self, pooled: list[tuple[Tensor, int]], box: tuple[float, ...], label: int, p: float
    ) -> None:
        super().__init__()
        self.pooled, self.box, self.label, self.p = pooled, torch.tensor([box]), label, p

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        count = len(regions)
        logits = torch.full((count, 4), (1 - self.p) / 3).log()
        logits[:, self.label + 1] = math.log(self.p)
        deltas = torch.zeros(count, 4, 4)
        proposals = self.pooled[-1][0]
        deltas[:, self.label + 1] = encode_deltas(
            self.box.expand(count, 4), proposals, (10.0, 10.0, 5.0, 5.0)
        )
        return logits, deltas


class Canned(MaskTrackRcnn):
    """With that box head; `pooled` collects the boxes and resolutions that features are read at."""

    def __init__(
        self, config: MaskTrackConfig, box: tuple[float, ...], label: int = 1, p: float = 0.9
    ) -> None:
        torch.manual_seed(0)
        super().__init__(config, 3)
        self.pooled: list[tuple[Tensor, int]] = []
        self.box_head = OneBox(self.pooled, box, label, p)
        self.eval()

    def pool(self, pyramid: Mapping[str, Tensor], boxes: Tensor, image: Tensor, resolution: int) -> Tensor:
        self.pooled.append((boxes, resolution))
        return super().pool(pyramid, boxes, image, resolution)


def test_importing_the_specification_imports_no_torch() -> None:
    code = (
        "import sys, methods.masktrack_rcnn as m; assert 'torch' not in sys.modules; print(m.SPEC.info.name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "masktrack_rcnn"


def test_paper_size() -> None:
    with torch.device("meta"):
        model = MaskTrackRcnn(CONFIGS["paper"], 40)

    def size(module: torch.nn.Module) -> int:
        frozen = [b for name, b in module.named_buffers() if name.endswith((".weight", ".bias"))]
        return sum(p.numel() for p in module.parameters()) + sum(b.numel() for b in frozen)

    assert size(model.backbone) == 23_508_032
    assert size(model.fpn) == 3_344_384
    assert size(model.track_head) == 13_895_680
    assert size(model) == 58_081_093
    assert size(model) == pytest.approx(58.1e6, rel=0.02)
    trained = {name: p.requires_grad for name, p in model.backbone.named_parameters()}
    assert not trained["body.conv1.weight"]
    assert not trained["body.layer1.0.conv1.weight"]
    assert trained["body.layer2.0.conv1.weight"]


def test_both_frames_use_one_tracking_head() -> None:
    model = small_model()
    calls: list[int] = []
    model.track_head.register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0])))
    clip = make_clip([[(0, 0, 20, 20)], [(5, 0, 25, 20)]])
    model.losses([clip])
    # at most 16 regions of the key frame and the one true box of the reference frame
    assert calls == [17]


def test_threshold_and_class_wise_suppression_by_hand() -> None:
    proposals = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [30, 0, 40, 10], [60, 0, 70, 10]])
    logits = logits_of(
        [0.1, 0.8, 0.04, 0.06], [0.2, 0.7, 0.05, 0.05], [0.3, 0.0, 0.1, 0.6], [0.97, 0.01, 0.01, 0.01]
    )
    got = select_detections(proposals, logits, torch.zeros(4, 4, 4), (50, 100), small_config())
    # one proposal can give several classes; the second is suppressed in class 0; 0.05 is not above 0.05
    assert got.labels.tolist() == [0, 2, 1, 2]
    assert got.scores.tolist() == pytest.approx([0.8, 0.6, 0.1, 0.06], rel=HUNDRED_ROUNDINGS)
    assert got.boxes[:, 0].tolist() == [0, 30, 30, 0]


def test_each_class_has_its_own_deltas_and_boxes_are_clipped() -> None:
    proposals = torch.tensor([[80.0, 30, 100, 50]])
    deltas = torch.zeros(1, 3, 4)
    deltas[0, 1, 0], deltas[0, 2, 1] = -5.0, 5.0  # half a box to the left, half a box down
    got = select_detections(proposals, logits_of([0.1, 0.5, 0.4]), deltas, (45, 95), small_config())
    assert got.boxes.tolist() == [[70, 30, 90, 45], [80, 40, 95, 45]]
    outside = torch.tensor([[96.0, 0, 99, 9]])
    nothing = select_detections(
        outside, logits_of([0.1, 0.9]), deltas[:, :1].expand(1, 2, 4), (45, 95), small_config()
    )
    assert len(nothing.scores) == 0


def test_ten_detections_best_first() -> None:
    proposals = torch.tensor([[10.0 * i, 0, 10.0 * i + 5, 5] for i in range(20)])
    logits = logits_of(*[[1 - p, p] for p in torch.linspace(0.1, 0.9, 20).tolist()])
    got = select_detections(proposals, logits, torch.zeros(20, 2, 4), (10, 300), CONFIGS["paper"])
    assert got.boxes[:, 0].tolist() == [10.0 * i for i in range(19, 9, -1)]
    assert CONFIGS["paper"].detections_per_frame == 10


def test_masks_and_embeddings_are_read_at_the_refined_boxes() -> None:
    model = Canned(small_config(), (8.0, 8.0, 40.0, 40.0))
    found = model.detect(frame())
    assert found.labels.tolist() == [1]
    assert found.scores.tolist() == pytest.approx([0.9], rel=HUNDRED_ROUNDINGS)
    # masks are drawn when they are read
    assert len(model.pooled) == 2
    assert len(list(found.segmentations)) == 1
    proposals, embedding, mask = model.pooled
    assert len(proposals[0]) > 1
    assert (proposals[1], embedding[1], mask[1]) == (7, 7, 14)
    for boxes, _ in (embedding, mask):
        assert boxes.shape == (1, 4)
        assert boxes[0].tolist() == pytest.approx([8, 8, 40, 40], abs=THOUSANDTH_PIXEL)
    assert found.embeddings.shape == (1, 10)


def test_boxes_and_masks_are_in_original_pixels_whatever_the_network_sees() -> None:
    config = small_config(test_short_side=HEIGHT, test_max_long_side=WIDTH)
    model = Canned(config, (8.0, 8.0, 40.0, 40.0))
    with torch.no_grad():
        model.mask_head.classes.weight.zero_()
        model.mask_head.classes.bias.copy_(torch.tensor([-9.0, -9.0, 9.0, -9.0]))  # class 1 is full
    found = model.detect(frame(2 * HEIGHT, 2 * WIDTH))
    assert found.boxes[0] == pytest.approx([16, 16, 80, 80], abs=THOUSANDTH_PIXEL)
    mask = found.segmentations[0]
    assert mask is not None
    assert mask["size"] == [2 * HEIGHT, 2 * WIDTH]
    assert area(mask) == pytest.approx(64 * 64, rel=0.05)
    assert decode(mask)[20:76, 20:76].all()


def test_padding_is_no_part_of_the_frame() -> None:
    # 40 x 70 is padded to 64 x 96
    found = Canned(small_config(), (50.0, 20.0, 90.0, 60.0)).detect(frame(40, 70))
    assert found.boxes[0] == pytest.approx([50, 20, 70, 40], abs=THOUSANDTH_PIXEL)


def test_a_frame_without_detections_is_no_error() -> None:
    model = Canned(small_config(score_threshold=0.95), (8.0, 8.0, 40.0, 40.0))
    nothing = model.detect(frame())
    assert len(nothing) == 0
    assert nothing.embeddings.shape == (0, 10)
    results = list(track_detections([nothing, nothing], model.config.association, 3))
    assert [result.detections for result in results] == [(), ()]


def test_is_a_method_and_tracks_online() -> None:
    model = small_model(score_threshold=0.01).eval()
    assert isinstance(model, Method)
    asked: list[int] = []

    def frames() -> Iterator[Tensor]:
        for index in range(3):
            asked.append(index)
            yield frame()

    for result in model.track(video(3), frames()):
        assert asked == list(range(result.index + 1))
        assert len({d.identity for d in result.detections}) == len(result.detections)
    assert asked == [0, 1, 2]


def test_nothing_survives_from_one_video_to_the_next() -> None:
    model = small_model(score_threshold=0.01).eval()

    def run() -> list[tuple[int, bytes]]:
        results = model.track(video(2), iter([frame(), frame()]))
        return [(d.identity, d.class_scores.tobytes()) for r in results for d in r.detections]

    first = run()
    list(islice(model.track(video(2), iter([255 - frame()] * 2)), 1))  # abandoned after one frame
    assert run() == first
    assert first[0][0] == 0


def test_an_object_keeps_its_identity_and_summarise_fills_the_video() -> None:
    model = Canned(small_config(mask_threshold=1e-3), (8.0, 8.0, 40.0, 40.0))
    results = list(model.track(video(3), iter([frame()] * 2)))
    assert [[d.identity for d in r.detections] for r in results] == [[0], [0]]
    assert results[0].detections[0].class_scores.tolist() == pytest.approx([0, 0.9, 0], rel=HUNDRED_ROUNDINGS)
    (track,) = model.summarise(video(3), results)
    assert (track.label, track.score) == (1, pytest.approx(0.9, rel=HUNDRED_ROUNDINGS))
    assert [mask is None for mask in track.segmentations] == [False, False, True]


def test_the_same_seed_gives_the_same_losses() -> None:
    clip = make_clip([[(0, 0, 20, 20), (40, 20, 80, 60)], [(5, 0, 25, 20), None]])

    def total(seed: int) -> float:
        model = small_model()
        torch.manual_seed(seed)
        return sum(value.item() for value in model.losses([clip]).values())

    assert total(1) == total(1)
    assert total(1) != total(2)


def test_association_of_the_paper() -> None:
    rule = CONFIGS["paper"].association
    assert (rule.rule, rule.score_weight, rule.iou_weight, rule.label_weight) == ("masktrack", 1.0, 2.0, 10.0)
    assert rule.dummy_logit == 0
    assert not rule.refresh_label
    assert rule.forget_after_frames is None


def test_detection_settings_of_the_paper() -> None:
    config = CONFIGS["paper"]
    assert (config.score_threshold, config.nms_iou) == (0.05, 0.5)
    rpn = config.rpn
    assert (rpn.candidates_per_level, rpn.nms_iou, rpn.proposals) == (200, 0.7, 200)
    assert (rpn.positive_iou, rpn.negative_iou, rpn.low_quality_iou) == (0.7, 0.3, 0.3)
    assert (rpn.samples, rpn.positive_fraction, config.roi.samples, config.roi.positive_fraction) == (
        64,
        0.5,
        128,
        0.25,
    )


def test_every_choice_names_a_configuration_value() -> None:
    for choice in CHOICES:
        value: object = CONFIGS["paper"]
        for name in choice.key.split("."):
            value = getattr(value, name)
    assert "D18" in {choice.id for choice in CHOICES}


@pytest.mark.parametrize("name", sorted(SPEC.variants))
def test_every_variant_is_a_change_of_the_paper_and_of_the_tiny_configuration(name: str) -> None:
    for base in ("paper", "tiny"):
        assert choose_config(SPEC, f"{base}+{name}", "paper")[1] != CONFIGS[base]


def test_quick_is_tiny_with_a_shorter_schedule() -> None:
    tiny, quick = CONFIGS["tiny"], CONFIGS["quick"]
    assert quick.train.iterations < tiny.train.iterations
    assert replace(quick, train=tiny.train) == tiny


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"roi_levels": ("p2", "p4")}, "roi_levels"),
        ({"roi_levels": ("p3", "p4")}, "rpn.levels"),
        ({"rpn.levels": ("p3", "p2")}, "finest first"),
        ({"rpn.negative_iou": 0.9}, "negative_iou"),
        ({"rpn.proposals": 0}, "rpn.proposals"),
        ({"roi.samples": 0}, "roi.samples"),
        ({"detections_per_frame": 0}, "detections_per_frame"),
        ({"train.sampling.frames": 3}, "pairs"),
        ({"train.sampling.ordered": True}, "key frame"),
    ],
)
def test_impossible_configurations_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        override(CONFIGS["tiny"], changes)
