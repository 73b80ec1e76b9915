"""InsPro-VID: InsPro without everything that makes masks, and boxes as its result."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from closeness import WHOLE_NETWORK, assert_close_to_largest, in_float64

from methods.inspro.model import InsPro
from methods.inspro_vid import SPEC
from methods.inspro_vid.config import BETAS, CONFIGS, QUICK, TINY
from methods.inspro_vid.model import build
from methods.layers.backbone_config import BackboneConfig
from methods.layers.box_codec import clip_boxes
from vis_bench.data.ytvis import read_dataset
from vis_bench.engine.training.clips.draws import Draws
from vis_bench.engine.training.clips.sampler import choose_frames
from vis_bench.masks.rle import tight_box
from vis_bench.method import Clip, FrameDetection, FrameResult
from vis_bench.setup.config import choose_config, override
from vis_bench.types import Video

MICRO = replace(
    TINY,
    backbone=BackboneConfig(name="small", frozen_stages=0, frozen_norm=False, widths=(8, 8, 8, 8)),
    queries=6,
    dim=16,
    stages=2,
    heads=2,
    feedforward=32,
    dynamic_hidden=4,
    roi_resolution=3,
    mask_hidden=8,
)
VIDEO = Video(1, "v", 64, 48, ("a", "b", "c"))


def make(seed=0, classes=3, **changes):
    torch.manual_seed(seed)
    return build(replace(MICRO, **changes), classes).eval()


def make_frames(count=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, 256, (3, 48, 64), dtype=torch.uint8, generator=generator) for _ in range(count)]


def one_square(frames=3, moving=True):
    """A square of 16 px, class 1; it moves 4 px a frame or stands still."""
    images = torch.full((frames, 3, 48, 64), 90, dtype=torch.uint8)
    masks = torch.zeros(frames, 1, 48, 64, dtype=torch.bool)
    boxes = torch.zeros(frames, 1, 4)
    for t in range(frames):
        x = 4 + 4 * t * moving
        masks[t, 0, 8:24, x : x + 16] = True
        images[t, 0, 8:24, x : x + 16] = 250
        boxes[t, 0] = torch.tensor([x, 8, x + 16, 24])
    return Clip(images, torch.tensor([1]), masks, boxes, torch.ones(frames, 1, dtype=torch.bool))


# the model is InsPro's without masks


def count(model):
    frozen = (b.numel() for n, b in model.named_buffers() if n.endswith((".weight", ".bias")))
    return sum(p.numel() for p in model.parameters()) + sum(frozen)


def test_parameters_of_the_paper_configurations():
    """Sparse R-CNN at 30 classes and the 257 of the attention: 79,335,372 in six stages, 3,344,384 in the
    pyramid, 26,000 queries and boxes; the body of ResNet-101 has 42,500,160, that of ResNet-50 23,508,032."""
    with torch.device("meta"):
        large, small = (build(CONFIGS[name], 30) for name in ("paper", "paper-r50"))
    assert count(large) == 42_500_160 + 3_344_384 + 79_335_372 + 26_000 + 257 == 125_206_173
    assert count(large) - count(small) == 42_500_160 - 23_508_032


def test_only_the_mask_head_is_missing():
    with torch.device("meta"):
        ours = dict(build(MICRO, 3).named_parameters())
        theirs = dict(InsPro(MICRO, 3).named_parameters())
    missing = set(theirs) - set(ours)
    assert set(ours) <= set(theirs)
    assert {name.partition(".")[0] for name in missing} == {"mask_head"}
    assert {name.split(".")[1] for name in missing} == {"branch", "generators"}


@in_float64()
def test_losses_are_the_four_box_and_class_terms_of_inspro():
    ours, theirs = make(), InsPro(MICRO, 3).eval()
    theirs.load_state_dict(ours.state_dict(), strict=False)
    clips = [one_square(), one_square(moving=False)]
    found, expected = ours.losses(clips), theirs.losses(clips)
    assert set(found) == {"loss_class", "loss_l1", "loss_giou", "loss_dedup"}
    assert set(expected) - set(found) == {"loss_dice", "loss_mask_focal"}
    for name, value in found.items():
        assert_close_to_largest(value, expected[name], terms=WHOLE_NETWORK)


def test_masks_of_a_clip_take_no_part_in_training():
    clip, model = one_square(), make()
    without = replace(clip, masks=torch.zeros_like(clip.masks))
    for name, value in model.losses([clip]).items():
        assert torch.equal(value, model.losses([without])[name]), name


def test_every_parameter_receives_gradient():
    model = make(box_output_gain=1.0, roi_canonical_size=24.0).train()
    # proposals of several sizes, so that every level of the pyramid is read: there is no mask branch to do it
    sides = torch.tensor([0.12, 0.12, 0.5, 0.5, 1.0, 1.0])
    model.initial_boxes.data[:, 2:] = sides[:, None]
    sum(model.losses([one_square(), one_square(moving=False)]).values()).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not (p.grad != 0).any()]
    # the attention's bias shifts all softmax scores alike
    assert [name for name in without if name != "attention.score.bias"] == []


# configuration


def test_paper_values():
    config = CONFIGS["paper"]
    train = config.train
    assert (train.lr, train.iterations, train.lr_steps) == (2.5e-5, 90_000, (65_000, 80_000))
    assert (config.backbone.name, CONFIGS["paper-r50"].backbone.name) == ("resnet101", "resnet50")
    assert replace(CONFIGS["paper-r50"], backbone=config.backbone) == config
    assert (config.weights.dedup_beta, config.bank_length, config.queries, config.stages) == (0.1, 18, 100, 6)
    assert (train.sampling.frames, train.sampling.ordered) == (3, True)
    assert replace(QUICK, train=TINY.train) == TINY
    assert replace(QUICK.train, iterations=TINY.train.iterations) == TINY.train


def test_it_is_declared_as_online_and_scored_on_boxes():
    assert (SPEC.info.iou_type, SPEC.info.online, SPEC.info.paradigm) == ("bbox", True, "query propagation")
    code = "import sys, methods.inspro_vid; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_choices_name_values_and_none_that_only_masks_use():
    keys = [choice.key for choice in SPEC.choices]
    for key in keys:
        value = CONFIGS["paper"]
        for part in key.split("."):
            value = getattr(value, part)
    assert not {"generator", "mask_stages", "coordinate_scale"} & set(keys)
    assert {"weights.dedup_beta", "sequence_score", "bank_weights", "vanished"} <= set(keys)


def test_rows_of_table_6():
    rows = {name: choose_config(SPEC, f"paper-r50+{name}", "paper")[1] for name in SPEC.variants}
    switches = {
        name: (c.propagate_query, c.propagate_proposal, c.consistent_matching, c.dedup, c.bank)
        for name, c in rows.items()
    }
    assert switches["A"] == (False,) * 5
    assert switches["B"] == (True, True, False, False, False)
    assert switches["C"] == (True, True, True, False, False)
    assert BETAS == (0, 0.08, 0.1, 0.15, 0.2, 0.25)
    for beta in BETAS:
        row = rows[f"beta{beta:g}"]
        assert row.weights.dedup_beta == beta
        assert switches[f"beta{beta:g}"] == (True, True, True, True, False)
    assert all(row.backbone.name == "resnet50" for row in rows.values())


def test_beta_zero_is_row_c():
    """The hinge max(0 - C^2 / D^2, 0) is 0, so no box is pushed: Table 6(c) and 6(b) agree on 33.2 AP."""
    rows = [override(MICRO, SPEC.variants[name]) for name in ("beta0", "C")]
    models = []
    for row in [*rows, override(rows[0], {"weights.dedup_beta": 2.0})]:
        torch.manual_seed(0)
        models.append(build(row, 3))
    zero, without, wide = (model.losses([one_square()]) for model in models)
    assert zero.pop("loss_dedup") == 0
    assert set(zero) == set(without)
    assert all(torch.equal(zero[name], without[name]) for name in zero)
    assert wide["loss_dedup"] > 0


# data


@in_float64()
def test_a_still_image_becomes_three_equal_frames():
    """DET images: a video of one frame gives a clip that repeats it; its box is the same in all frames."""
    assert choose_frames(CONFIGS["paper"].train.sampling, range(1), Draws(0, 0)) == [0, 0, 0]
    still = one_square(moving=False)
    assert torch.equal(still.frames[0], still.frames[2])
    model = make()
    seen = []
    original = model.step
    model.step = lambda pyramid, *rest: seen.append(pyramid) or original(pyramid, *rest)
    assert all(torch.isfinite(value) for value in model.losses([still]).values())
    for name, feature in seen[0].items():
        assert_close_to_largest(feature, seen[2][name], terms=WHOLE_NETWORK)


def test_boxes_can_be_given_as_rectangular_polygons(tmp_path):
    """How a data set that has boxes only is written, since training clips are cut from masks."""
    x, y, w, h = 5, 7, 20, 11
    polygon = [x, y, x + w, y, x + w, y + h, x, y + h]
    content = {
        "videos": [{"id": 1, "width": 64, "height": 48, "file_names": ["v/0.jpg"]}],
        "categories": [{"id": 1, "name": "c"}],
        "annotations": [{"id": 1, "video_id": 1, "category_id": 1, "segmentations": [[polygon]]}],
    }
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content))
    (track,) = read_dataset(path, None, "boxes", "train").tracks
    assert tight_box(track.segmentations[0]) == (x, y, w, h)
    assert track.boxes == ((x, y, w, h),)


# tracking


def test_tracking_is_online_and_gives_boxes_in_original_pixels():
    model = make(presence_threshold=0.0, test_short_side=24, box_output_gain=1.0)
    handed_over = []

    def frames():
        for index, frame in enumerate(make_frames()):
            handed_over.append(index)
            yield frame

    results = []
    for result in model.track(VIDEO, frames()):
        assert handed_over == list(range(result.index + 1))
        results.append(result)
    # frame 0 again by hand, on the network's input of 24 x 32
    frame = make_frames()[0]
    with torch.no_grad():
        small = torch.nn.functional.interpolate(
            frame[None].float(), size=(24, 32), mode="bilinear", antialias=True
        )
    mean, std = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
    images = torch.zeros(1, 3, 32, 32)
    images[..., :24, :] = (small.round() - mean[:, None, None]) / std[:, None, None]
    sizes = torch.tensor([[24, 32]])
    with torch.no_grad():
        outputs, _ = model.step(model.pyramid(images), model.start(sizes), sizes, clip_proposals=True)
    expected = 2 * clip_boxes(outputs[-1].boxes, sizes)[0]
    found = torch.tensor([detection.box for detection in results[0].detections])
    found = torch.cat([found[:, :2], found[:, :2] + found[:, 2:]], dim=1)
    # a resized pixel half way between two numbers may be rounded to either, which moves boxes a little
    torch.testing.assert_close(found, expected, rtol=0, atol=0.5)
    assert all(d.segmentation is None for result in results for d in result.detections)
    for result in results:
        boxes = np.array([d.box for d in result.detections])
        assert boxes.min() >= 0
        assert (boxes[:, 0] + boxes[:, 2]).max() <= 64 + 1e-3
        assert (boxes[:, 1] + boxes[:, 3]).max() <= 48 + 1e-3


def test_presence_threshold_drops_boxes_and_no_scores():
    everything = list(make(presence_threshold=0.0).track(VIDEO, iter(make_frames())))
    scores = np.array([[d.class_scores.max() for d in result.detections] for result in everything])
    threshold = float(np.median(scores))
    some = list(make(presence_threshold=threshold).track(VIDEO, iter(make_frames())))
    for t, result in enumerate(some):
        for slot, detection in enumerate(result.detections):
            assert (detection.box is not None) == (scores[t, slot] >= threshold)
            assert detection.class_scores.max() == scores[t, slot]
    assert {d.box is None for result in some for d in result.detections} == {True, False}


def test_nothing_survives_a_video():
    model = make(presence_threshold=0.0)
    one, other = make_frames(seed=1), make_frames(seed=2)
    alone = [[d.box for d in result.detections] for result in model.track(VIDEO, iter(one))]
    list(model.track(VIDEO, iter(other)))
    assert [[d.box for d in result.detections] for result in model.track(VIDEO, iter(one))] == alone


def test_tracks_hold_the_boxes_of_one_slot_and_no_masks():
    """Two frames, classes 0 and 1. Mean scores: slot 0 (0.5, 0.1), slot 1 (0.3, 0.2), slot 2 has no box."""
    model = make(classes=2, tracks_per_video=3)
    a, b, c = (0.0, 0.0, 4.0, 4.0), (1.0, 0.0, 4.0, 4.0), (9.0, 9.0, 2.0, 2.0)
    given = [
        [((0.8, 0.1), a), ((0.3, 0.2), None), ((0.9, 0.9), None)],
        [((0.2, 0.1), b), ((0.3, 0.2), c), ((0.9, 0.9), None)],
    ]
    results = [
        FrameResult(
            t,
            tuple(
                FrameDetection(n, np.array(scores, np.float32), None, box)
                for n, (scores, box) in enumerate(row)
            ),
        )
        for t, row in enumerate(given)
    ]
    tracks = model.summarise(VIDEO, results)
    assert [(t.label, round(t.score, 6), t.boxes) for t in tracks] == [
        (0, 0.5, (a, b)),
        (0, 0.3, (None, c)),
        (1, 0.2, (None, c)),
    ]
    assert all(track.segmentations == (None, None) for track in tracks)


def test_results_pass_the_contract_of_a_box_method():
    """The engine takes them as boxes; as the tracks of a mask method it would refuse them."""
    model = make(presence_threshold=0.0)
    tracks = model.summarise(VIDEO, list(model.track(VIDEO, iter(make_frames()))))
    assert 0 < len(tracks) <= MICRO.tracks_per_video
    for track in tracks:
        assert len(track.boxes) == VIDEO.length
        assert not any(track.segmentations)
        assert all(width > 0 and height > 0 for _, _, width, height in track.boxes)


@pytest.mark.parametrize("name", list(SPEC.variants))
def test_every_row_trains_and_tracks(name):
    torch.manual_seed(0)
    model = build(override(MICRO, SPEC.variants[name]), 3)
    sum(model.losses([one_square()]).values()).backward()
    results = list(model.eval().track(VIDEO, iter(make_frames())))
    assert len(model.summarise(VIDEO, results)) <= MICRO.tracks_per_video
