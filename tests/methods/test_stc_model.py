"""STC as the harness sees it: sizes, per-frame detections, online tracking, configuration."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS
from stc_samples import HEIGHT, WIDTH, Canned, blank, logit, make_clip, small_config, small_model

from methods.stc import SPEC
from methods.stc.choices import CHOICES
from methods.stc.config import CONFIGS, LossConfig
from methods.stc.inference import detect_frame, read_embeddings, select_candidates
from methods.stc.model import Stc, TrackingHead
from methods.tracking.association import AssociationRule, track_detections
from vis_bench.errors import UsageError
from vis_bench.masks.rle import area, decode
from vis_bench.method import Method
from vis_bench.setup.config import choose_config, override, to_dict
from vis_bench.types import Video

LEVEL_SIZES = [(HEIGHT // s, WIDTH // s) for s in (8, 16, 32)]


def video(length: int, name: str = "v") -> Video:
    return Video(1, name, WIDTH, HEIGHT, tuple(f"{name}/{i}.png" for i in range(length)))


BOX = (8.0, 8.0, 8.0, 8.0)


def test_importing_the_specification_imports_no_torch() -> None:
    code = "import sys, methods.stc; assert 'torch' not in sys.modules; print(methods.stc.SPEC.info.name)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "stc"


@pytest.mark.slow
def test_paper_size() -> None:
    model = Stc(CONFIGS["paper"], 40)
    frozen_affine = sum(
        buffer.numel()
        for name, buffer in model.backbone.named_buffers()
        if name.endswith((".weight", ".bias"))
    )
    total = sum(p.numel() for p in model.parameters()) + frozen_affine
    assert total == pytest.approx(37.8e6, rel=0.02)
    assert sum(p.numel() for p in model.mask_branch.parameters()) == 1_477_384
    assert model.kernels.out_channels == 169
    trained = {name: p.requires_grad for name, p in model.backbone.named_parameters()}
    assert not trained["body.layer1.0.conv1.weight"]
    assert trained["body.layer2.0.conv1.weight"]


def test_tiny_size() -> None:
    parameters = sum(p.numel() for p in Stc(CONFIGS["tiny"], 5).parameters())
    assert 0.9e6 < parameters < 1.7e6


def test_shapes_of_a_forward_pass() -> None:
    out = small_model()(torch.randn(2, 3, HEIGHT, WIDTH))
    count = sum(h * w for h, w in LEVEL_SIZES)
    assert out.class_logits.shape == (2, count, 3)
    assert out.ltrb.shape == (2, count, 4)
    assert out.kernels.shape == (2, count, 169)
    assert out.mask_feature.shape == (2, 8, HEIGHT // 8, WIDTH // 8)
    assert out.embedding.shape == (2, 8, HEIGHT // 8, WIDTH // 8)


def test_kernel_tower_of_its_own_or_the_box_tower() -> None:
    own, shared = small_model(), small_model(kernel_source="box_tower")
    own(torch.randn(1, 3, HEIGHT, WIDTH)).kernels.sum().backward()
    assert own.detection.box_tower[0].weight.grad is None
    shared(torch.randn(1, 3, HEIGHT, WIDTH)).kernels.sum().backward()
    assert shared.detection.box_tower[0].weight.grad is not None
    assert shared.kernel_tower is None


def test_tracking_head_fuses_three_levels_with_shared_convolutions() -> None:
    head = TrackingHead(8, 5, convs=2, groups=2)
    pyramid = {name: torch.randn(1, 8, 8 // s, 12 // s) for name, s in (("p3", 1), ("p4", 2), ("p5", 4))}
    before = head(pyramid)
    assert before.shape == (1, 5, 8, 12)
    for level in pyramid:
        assert not torch.allclose(head({**pyramid, level: -pyramid[level]}), before)
    convs = 2 * (8 * 8 * 9 + 8 + 2 * 8)  # one tower for all levels: weights, biases, GroupNorm
    assert sum(p.numel() for p in head.parameters()) == convs + 3 * 8 * 5 + 5


def test_threshold_acts_on_the_class_and_the_rank_on_both() -> None:
    levels = torch.zeros(3, dtype=torch.int64)
    classes = torch.tensor([[logit(0.9), -20.0], [logit(0.04), -20.0], [logit(0.02), logit(0.5)]])
    centres = torch.tensor([logit(0.01), logit(0.5), logit(0.99)])
    config = small_config()
    points, labels, scores = select_candidates(classes, centres, levels, config)
    # 0.9 * 0.01 < 0.03 but the plain confidence decides; 0.02 is out although centre-ness is 0.99
    assert list(zip(points.tolist(), labels.tolist(), strict=True)) == [(2, 1), (1, 0), (0, 0)]
    expected = [(0.5 * 0.99) ** 0.5, (0.04 * 0.5) ** 0.5, (0.9 * 0.01) ** 0.5]
    assert scores.tolist() == pytest.approx(expected, rel=HUNDRED_ROUNDINGS)
    product = replace(config, threshold_on="class_times_centreness")
    assert select_candidates(classes, centres, levels, product)[0].tolist() == [2]


def test_candidates_are_limited_per_level() -> None:
    levels = torch.tensor([0, 0, 0, 1])
    classes = torch.tensor([[logit(p)] for p in (0.2, 0.9, 0.5, 0.1)])
    config = small_config(candidates_per_level=2)
    points, _, _ = select_candidates(classes, torch.zeros(4), levels, config)
    assert points.tolist() == [1, 2, 3]


def test_suppression_is_per_class() -> None:
    same = (1, 1, 1, 0, 0.9, 0.9, BOX)
    close = (1, 1, 2, 0, 0.8, 0.9, (24.0, 8.0, -8.0, 8.0))  # decodes to the same box
    other = (1, 1, 2, 2, 0.7, 0.9, (24.0, 8.0, -8.0, 8.0))
    assert detect_frame(Canned(same, close), blank(), small_config()).labels.tolist() == [0]
    assert detect_frame(Canned(same, other), blank(), small_config()).labels.tolist() == [0, 2]


def test_no_more_detections_than_asked_best_first() -> None:
    rows = [(0, 1, column, 0, p, 0.99, (3.0, 3.0, 3.0, 3.0)) for column, p in ((2, 0.3), (5, 0.9), (8, 0.6))]
    found = detect_frame(Canned(*rows), blank(), small_config(detections_per_frame=2))
    assert found.boxes[:, 0].tolist() == [5 * 8 + 4 - 3, 8 * 8 + 4 - 3]
    assert found.scores[0] == pytest.approx((0.9 * 0.99) ** 0.5, rel=HUNDRED_ROUNDINGS)


def test_boxes_and_masks_are_in_original_pixels() -> None:
    # 128 x 192 is tested at 64 x 96; level 1 row 1 column 2 is the point (40, 24)
    config = small_config(test_short_side=HEIGHT, test_max_long_side=WIDTH)
    found = detect_frame(Canned((1, 1, 2, 1, 0.9, 0.9, BOX)), blank(128, 192), config)
    assert found.boxes.tolist() == [[64.0, 32.0, 96.0, 64.0]]
    mask = found.segmentations[0]
    assert mask is not None
    assert mask["size"] == [128, 192]
    assert area(mask) == 128 * 192
    # the embedding is read in network pixels: (40, 24) is in cell (5, 3)
    assert found.embeddings.tolist() == [[5.0, 3.0]]


def test_boxes_are_clipped_to_the_image_and_padding_is_cut() -> None:
    # 40 x 70 is padded to 64 x 96
    found = detect_frame(
        Canned((1, 0, 0, 1, 0.9, 0.9, (50.0, 50.0, 200.0, 200.0))), blank(40, 70), small_config()
    )
    assert found.boxes.tolist() == [[0.0, 0.0, 70.0, 40.0]]
    mask = found.segmentations[0]
    assert mask is not None
    assert decode(mask).shape == (40, 70)


def test_empty_mask_is_none_and_an_empty_frame_is_no_error() -> None:
    row = (1, 1, 1, 0, 0.9, 0.9, BOX)
    found = detect_frame(Canned(row, kernel_bias=-50.0), blank(), small_config())
    assert list(found.segmentations) == [None]
    nothing = detect_frame(Canned(), blank(), small_config())
    assert len(nothing) == 0
    assert nothing.embeddings.shape == (0, 2)
    results = list(track_detections([nothing, nothing], AssociationRule(), 3))
    assert [result.detections for result in results] == [(), ()]


def test_embedding_reading_nearest_and_bilinear() -> None:
    embedding = torch.arange(3.0).expand(1, 2, 3)  # value = column
    centres = torch.tensor([[15.9, 3.0], [16.0, 3.0], [500.0, -7.0]])
    assert read_embeddings(embedding, centres, "nearest")[:, 0].tolist() == [1.0, 2.0, 2.0]
    # cell middles are at 4, 12, 20: 16 lies half way between columns 1 and 2
    got = read_embeddings(embedding, torch.tensor([[16.0, 8.0], [12.0, 8.0]]), "bilinear")
    assert got[:, 0].tolist() == pytest.approx([1.5, 1.0])


def test_stc_is_a_method_and_track_is_online() -> None:
    model = small_model(score_threshold=0.0).eval()
    assert isinstance(model, Method)
    asked: list[int] = []

    def frames() -> Iterator[torch.Tensor]:
        for index in range(3):
            asked.append(index)
            yield make_clip([[]]).frames[0]

    for result in model.track(video(3), frames()):
        assert asked == list(range(result.index + 1))
    assert asked == [0, 1, 2]


def test_nothing_survives_from_one_video_to_the_next() -> None:
    model = small_model(score_threshold=0.0).eval()
    frame = make_clip([[]]).frames[0]

    def run() -> list[tuple[int, bytes]]:
        results = model.track(video(2), iter([frame, frame]))
        return [(d.identity, d.class_scores.tobytes()) for r in results for d in r.detections]

    first = run()
    list(islice(model.track(video(2), iter([255 - frame] * 2)), 1))  # abandoned after one frame
    assert run() == first
    assert first[0][0] == 0


def test_stored_detections_can_be_associated_again() -> None:
    model = small_model(score_threshold=0.0).eval()
    frames = [make_clip([[]]).frames[0]] * 3
    direct = list(model.track(video(3), iter(frames)))
    stored = [model.detect(frame) for frame in frames]
    again = list(track_detections(stored, model.config.association, 3))
    assert [[d.identity for d in r.detections] for r in again] == [
        [d.identity for d in r.detections] for r in direct
    ]


def test_summarise_fills_the_video_length() -> None:
    model = small_model()
    found = detect_frame(Canned((1, 1, 1, 0, 0.9, 0.9, BOX)), blank(), small_config())
    results = list(track_detections([found, found], AssociationRule(), 3))
    tracks = model.summarise(video(4), results[:1])
    assert len(tracks) == 1
    assert [mask is None for mask in tracks[0].segmentations] == [False, True, True, True]


def test_every_choice_names_a_configuration_value() -> None:
    for choice in CHOICES:
        value: object = CONFIGS["paper"]
        for name in choice.key.split("."):
            value = getattr(value, name)
    assert {"D5", "D6", "D7", "D8"} <= {choice.id for choice in CHOICES}


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_configurations_can_be_written_and_overridden(name: str) -> None:
    assert to_dict(CONFIGS[name])["loss"]["negatives"] == 128
    changed = override(CONFIGS[name], {"loss.negatives_from": "boxes", "association.rule": "crossvis"})
    assert changed.loss.negatives_from == "boxes"
    assert changed.association.rule == "crossvis"


def test_table_4_rows_differ_as_the_table_says() -> None:
    def switches(name: str | None) -> tuple[bool, str, bool]:
        _, config = choose_config(SPEC, name, "paper")
        return config.loss.consistency, config.loss.tracking, config.loss.bidirectional

    assert switches("baseline") == (False, "classification", False)
    assert switches("consistency-only") == (True, "classification", False)
    assert switches("no-bi-direction") == (True, "contrastive", False)
    assert switches(None) == (True, "contrastive", True)
    assert CONFIGS["paper"].loss == LossConfig()


@pytest.mark.parametrize("name", sorted(SPEC.variants))
def test_every_variant_is_a_change_of_the_paper_and_of_the_tiny_configuration(name: str) -> None:
    for base in ("paper", "tiny"):
        assert choose_config(SPEC, f"{base}+{name}", "paper")[1] != CONFIGS[base]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"levels": ("p3", "p4", "p5", "p6")}, "p7"),
        ({"levels": ("p2", "p3", "p4")}, "levels"),
        ({"level_sizes": (64,)}, "level_sizes"),
        ({"level_sizes": (64, 32)}, "rising"),
        ({"coordinate_scales": (64, 128)}, "coordinate_scales"),
        ({"mask_levels": ("p4", "p5")}, "mask_levels"),
        ({"norm_groups": 5}, "norm_groups"),
        ({"embedding_width": 0}, "embedding_width"),
    ],
)
def test_impossible_configurations_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        replace(CONFIGS["tiny"], **changes)


def test_clips_of_three_frames_are_refused_in_the_configuration() -> None:
    with pytest.raises(UsageError, match="pairs"):
        override(CONFIGS["tiny"], {"train.sampling.frames": 3})


def test_specification() -> None:
    assert SPEC.info.online
    assert {"paper", "tiny"} <= set(SPEC.configs)
    assert SPEC.configs["paper"].train.sampling.frames == 2
