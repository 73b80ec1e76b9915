"""InsPro-lite: which head runs on which frame, what it updates, and what the second phase trains on what."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from closeness import HUNDRED_ROUNDINGS, WHOLE_NETWORK, assert_close_to_largest, in_float64
from inspro_samples import FRAME_SIZE, LITE_MICRO, VIDEO, make_frames, moving_squares
from torch import nn

from methods.inspro.config import PAPER as INSPRO_PAPER
from methods.inspro.model import InsPro
from methods.inspro_lite import SPEC
from methods.inspro_lite.config import CONFIGS, PAPER, InsProLiteConfig
from methods.inspro_lite.model import InsProLite
from vis_bench.errors import MethodError, UsageError
from vis_bench.setup.config import choose_config, override

SIZES = torch.tensor([FRAME_SIZE])


def build(seed=0, classes=3, **changes):
    torch.manual_seed(seed)
    return InsProLite(replace(LITE_MICRO, **changes), classes).eval()


def second_phase(seed=0, **changes):
    model = build(seed, **changes)
    model.enter_phase(1)
    return model.train()


def head_calls(model):
    """Which head runs, in order: "K" once per run of the first of the stages, "N" per non-key stage."""
    calls = []
    model.stages[0].register_forward_hook(lambda *_: calls.append("K"))
    model.non_key_stage.register_forward_hook(lambda *_: calls.append("N"))
    return calls


def flat(results):
    return [
        (d.identity, d.class_scores.tolist(), d.segmentation, d.box) for r in results for d in r.detections
    ]


def test_parameters_of_the_paper_configuration():
    with torch.device("meta"):
        model = InsProLite(PAPER, 40)

    def count(module):
        return sum(p.numel() for p in module.parameters())

    assert count(model.non_key_stage) == 13_225_132
    # one Linear 256 -> 169 with bias
    assert count(model.mask_head.generators[-1]) == 256 * 169 + 169
    # 53,120 values of frozen BatchNorm lie in buffers
    assert count(model) == 121_236_012 - 53_120
    assert 121_236_012 == 107_967_447 + 13_225_132 + 43_433


def test_values_of_the_paper_and_of_the_second_phase():
    assert PAPER.key_interval == 10
    (phase,) = PAPER.later_training
    assert (phase.iterations, phase.lr, phase.lr_steps) == (16_000, 2.5e-5, (12_000, 14_000))
    assert phase.sampling == replace(PAPER.train.sampling, frames=5)
    assert (phase.augmentation, phase.batch_size) == (PAPER.train.augmentation, 8)
    assert PAPER.clip_order == "KNKNK"
    for name in ("backbone", "queries", "stages", "bank_length", "weights", "train"):
        assert getattr(PAPER, name) == getattr(INSPRO_PAPER, name)


def test_a_protocol_that_changes_the_first_phase_changes_the_second():
    changed = override(PAPER, {"train.augmentation.short_sides": [176], "train.batch_size": 2})
    (phase,) = changed.later_training
    assert phase.augmentation.short_sides == (176,)
    assert phase.batch_size == 2
    assert phase.iterations == 16_000


def test_rows_of_table_3():
    intervals = {
        name: choose_config(SPEC, name, "tiny")[1].key_interval for name in ("K1", "K5", "K10", "K15")
    }
    assert intervals == {"K1": 1, "K5": 5, "K10": 10, "K15": 15}
    assert choose_config(SPEC, "K1", "paper")[1].later_training == ()
    for name in SPEC.variants:
        assert isinstance(choose_config(SPEC, name, "tiny")[1], InsProLiteConfig)


def test_wrong_values_are_refused():
    with pytest.raises(UsageError, match="key_interval is 0"):
        replace(LITE_MICRO, key_interval=0)
    with pytest.raises(UsageError, match="propagate_query"):
        replace(LITE_MICRO, propagate_query=False)
    with pytest.raises(UsageError, match=r"clip_order is 'KN'"):
        replace(LITE_MICRO, clip_order="KN")


def test_every_choice_names_a_configuration_value():
    for choice in SPEC.choices:
        value = PAPER
        for part in choice.key.split("."):
            value = getattr(value, part)
    assert {choice.key for choice in SPEC.choices if choice.id == "D17"} == {
        "clip_order",
        "non_key_init",
        "non_key_training",
    }
    assert set(CONFIGS) == {"paper", "tiny", "quick"}


def test_listing_the_method_imports_no_torch():
    code = "import sys, methods.inspro_lite as m; m.SPEC; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_with_every_frame_a_key_frame_it_is_inspro():
    lite = build(key_interval=1)
    torch.manual_seed(0)
    inspro = InsPro(LITE_MICRO, 3).eval()
    # the same seed gives the same InsPro inside
    own = lite.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in inspro.state_dict().items())
    frames = make_frames(5)
    assert flat(lite.track(VIDEO, iter(frames))) == flat(inspro.track(VIDEO, iter(frames)))
    clips = [moving_squares(seed=0), moving_squares(seed=1)]
    ours, theirs = lite.losses(clips), inspro.losses(clips)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(("interval", "expected"), [(3, "KNNKNNK"), (10, "KNNNNNN"), (1, "KKKKKKK")])
def test_one_frame_in_k_is_a_key_frame_and_the_first_is(interval, expected):
    model = build(key_interval=interval)
    calls = head_calls(model)
    video = list(model.track(VIDEO, iter(make_frames(7))))
    assert "".join(calls) == expected
    assert [result.index for result in video] == list(range(7))
    # a second video starts with a key frame again
    calls.clear()
    list(model.track(VIDEO, iter(make_frames(2))))
    assert calls[0] == "K"


def test_a_non_key_frame_updates_proposals_and_neither_queries_nor_bank():
    model = build()
    pyramid = model.pyramid(torch.randn(1, 3, 64, 64))
    _, key = model.step(pyramid, model.start(SIZES), SIZES, clip_proposals=False)
    output, after = model.non_key_step(pyramid, key, SIZES, clip_proposals=False)
    assert torch.equal(after.queries, key.queries)
    assert not torch.equal(output.object_features, key.queries)
    assert torch.equal(after.boxes, output.boxes)
    assert not after.boxes.requires_grad
    assert not torch.equal(after.boxes, key.boxes)
    assert len(after.bank) == len(key.bank) == 1
    assert after.bank[0] is key.bank[0]
    # it reads the propagated pair
    direct = model.non_key_stage(pyramid, key.queries, key.boxes)
    assert torch.equal(output.boxes, direct.boxes)
    # the alternative: its features enter the bank, and still no query changes
    _, banked = build(bank_frames="all").non_key_step(pyramid, key, SIZES, clip_proposals=False)
    assert len(banked.bank) == 2
    assert torch.equal(banked.queries, key.queries)


def test_the_bank_of_the_next_key_frame_holds_key_frames_only():
    model = build(key_interval=2, bank_length=9)
    state, lengths = None, []
    for index, frame in enumerate(make_frames(5)):
        _, state = model.track_frame(index, frame, state)
        lengths.append(len(state.bank))
    assert lengths == [1, 1, 2, 2, 3]


def test_proposals_of_non_key_frames_are_clipped_at_test_and_not_in_training():
    model = build()
    pyramid = model.pyramid(torch.randn(1, 3, 64, 64))
    state = model.start(SIZES)
    wild = replace(state, boxes=state.boxes * 4 - 60)
    height, width = FRAME_SIZE
    free = model.non_key_step(pyramid, wild, SIZES, clip_proposals=False)[1].boxes
    assert (free < 0).any()
    kept = model.advance(1, pyramid, wild, SIZES)[2].boxes
    assert kept.min() >= 0
    assert kept[..., 0::2].max() <= width
    assert kept[..., 1::2].max() <= height


def test_non_key_frames_have_heads_of_their_own():
    model = build(key_interval=2, presence_threshold=0.0)
    model.enter_phase(1)
    before = [flat([result]) for result in model.track(VIDEO, iter(make_frames(2)))]
    with torch.no_grad():
        # masks of the other frames turn all foreground: the last of the 169 values is a bias of the output
        model.mask_head.generators[-1].bias[-1] += 1e4
        model.non_key_stage.class_output.bias += 1.0
    after = [flat([result]) for result in model.track(VIDEO, iter(make_frames(2)))]
    assert before[0] == after[0]
    assert all(b[1] < a[1] for b, a in zip(before[1], after[1], strict=True))
    assert all(a[2] is not None for a in after[1])
    assert [a[2] for a in after[1]] != [b[2] for b in before[1]]
    # and those of key frames leave them alone
    with torch.no_grad():
        model.mask_head.generators[-2].bias[-1] -= 1e4
    assert [flat([r]) for r in model.track(VIDEO, iter(make_frames(2)))][1] == after[1]


def test_the_second_phase_starts_from_the_last_stage_and_trains_the_non_key_head_alone():
    model = second_phase(seed=3)
    pairs = [
        (model.stages[-1], model.non_key_stage),
        (model.mask_head.generators[-2], model.mask_head.generators[-1]),
    ]
    for last, own in pairs:
        assert all(torch.equal(last.state_dict()[k], v) for k, v in own.state_dict().items())
        assert all(a is not b for a, b in zip(last.parameters(), own.parameters(), strict=True))
    sum(model.losses([moving_squares(5), moving_squares(5, seed=1)]).values()).backward()
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    generator = f"mask_head.generators.{LITE_MICRO.stages}."
    assert trained == {
        name for name, _ in model.named_parameters() if name.startswith(("non_key_stage.", generator))
    }
    assert {name for name, p in model.named_parameters() if p.grad is not None} == trained
    assert all((p.grad != 0).any() for name, p in model.named_parameters() if name in trained)


def test_the_second_phase_may_start_at_random():
    plain, drawn = build(seed=3), second_phase(seed=3, non_key_init="random")
    assert torch.equal(plain.non_key_stage.class_output.weight, drawn.non_key_stage.class_output.weight)
    assert not torch.equal(drawn.non_key_stage.box_branch[0].weight, drawn.stages[-1].box_branch[0].weight)


def test_frozen_normalisation_stays_frozen_in_the_second_phase():
    def norms(model):
        return [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]

    model = build()
    first = norms(model)
    assert first
    model.train()
    assert all(m.training for m in first)
    model.enter_phase(1)
    before = [m.running_mean.clone() for m in first]
    model.train()
    assert model.training
    assert model.non_key_stage.training
    assert not any(m.training for m in first)
    model.losses([moving_squares(5)])
    assert all(torch.equal(m.running_mean, mean) for m, mean in zip(first, before, strict=True))
    model.eval()
    assert not any(m.training for m in model.modules())


def test_clips_of_the_second_phase_run_in_the_configured_order():
    for order in ("KNKNK", "KKKNN"):
        model = second_phase(clip_order=order)
        calls = head_calls(model)
        model.losses([moving_squares(5)])
        assert "".join(calls) == order
    with pytest.raises(MethodError, match="have 5 frames, as KKKNN"):
        model.losses([moving_squares(3)])


def test_losses_are_those_of_the_non_key_frames_averaged_over_them():
    """Class and box terms against loops over both non-key frames, with slots of the first key frame."""
    model, clip = second_phase(), moving_squares(5)
    images, seen = [], []
    model.non_key_stage.register_forward_hook(lambda module, inputs, output: seen.append(output))
    model.backbone.register_forward_hook(lambda module, inputs, output: images.append(inputs[0]))
    tables = record_tables(model)
    terms = model.losses([clip])
    # one backbone call with all frames
    assert [len(batch) for batch in images] == [5]
    assert len(seen) == 2
    slots = tables[0]
    weights, expected, expected_l1 = LITE_MICRO.weights, 0.0, 0.0
    height, width = FRAME_SIZE
    for t, output in zip((1, 3), seen, strict=True):
        p = output.class_logits[0].detach().double().sigmoid()
        for slot in range(p.shape[0]):
            for c in range(3):
                target = any(int(slots[n]) == slot and int(clip.labels[n]) == c for n in range(2))
                x = p[slot, c]
                # alpha 0.25, gamma 2
                focal = -0.25 * (1 - x) ** 2 * x.log() if target else -0.75 * x**2 * (1 - x).log()
                expected += float(focal) / 2 / 2
        scale = torch.tensor([width, height, width, height], dtype=torch.float64)
        for n in range(2):
            gap = (output.boxes[0, slots[n]].detach().double() - clip.boxes[t, n].double()).abs() / scale
            expected_l1 += float(gap.sum()) / 2 / 2
    assert terms["loss_class"].item() == pytest.approx(weights.classes * expected, rel=HUNDRED_ROUNDINGS)
    assert terms["loss_l1"].item() == pytest.approx(weights.l1 * expected_l1, rel=HUNDRED_ROUNDINGS)


def record_tables(model):
    """The table of the first clip after each frame, in order."""
    tables, real = [], model.match

    def match(*arguments):
        result = real(*arguments)
        tables.append(result[2][0])
        return result

    model.match = match
    return tables


def test_an_object_keeps_the_slot_of_the_key_frame_on_all_frames_that_follow():
    model = second_phase()
    tables, given = record_tables(model), []
    real = model.match

    def match(t, stages, before, targets):
        result = real(t, stages, before, targets)
        given.append((t, len(stages), result[0][0, 0].tolist()))
        return result

    model.match = match
    clip = moving_squares(5)
    # the second object enters on the first non-key frame and is away on the last frame
    clip.visible[0, 1] = clip.visible[4, 1] = False
    model.losses([clip])
    (first, absent), (same, entered) = tables[0].tolist(), tables[1].tolist()
    assert absent == -1
    assert same == first
    assert entered not in (-1, first)
    assert [table.tolist() for table in tables[1:]] == [[first, entered]] * 4
    # one stage a frame: the last on key frames, the only one on the others
    assert given == [
        (0, 1, [first, -1]),
        (1, 1, [first, entered]),
        (2, 1, [first, entered]),
        (3, 1, [first, entered]),
        (4, 1, [first, -1]),
    ]


def test_mask_terms_come_from_the_generator_of_non_key_frames():
    model, clip = second_phase(), moving_squares(5)
    before = model.losses([clip])
    with torch.no_grad():
        model.mask_head.generators[0].bias += 1.0
    unchanged = model.losses([clip])
    with torch.no_grad():
        model.mask_head.generators[-1].bias += 1.0
    changed = model.losses([clip])
    assert torch.equal(before["loss_dice"], unchanged["loss_dice"])
    assert not torch.equal(before["loss_dice"], changed["loss_dice"])


def test_mask_targets_are_those_of_the_non_key_frames():
    model, clip = second_phase(), moving_squares(5)
    before = model.losses([clip])["loss_dice"]
    for t, changes in ((0, False), (2, False), (4, False), (1, True), (3, True)):
        moved = replace(clip, masks=clip.masks.clone())
        moved.masks[t] = False
        moved.masks[t, :, :8, :8] = True
        after = model.losses([moved])["loss_dice"]
        assert (not torch.equal(after, before)) == changes, t


@in_float64()
def test_one_clip_of_a_batch_does_not_see_the_other():
    model = second_phase()
    a, b = moving_squares(5, seed=0), moving_squares(5, seed=1)
    one, two, both = model.losses([a]), model.losses([b]), model.losses([a, b])
    for name, term in both.items():
        assert_close_to_largest(term, 0.5 * (one[name] + two[name]), terms=WHOLE_NETWORK)


def test_no_state_survives_a_video_even_when_two_are_interleaved():
    model = build(key_interval=2)
    first, second = make_frames(4, seed=1), make_frames(4, seed=2)
    alone = [flat(model.track(VIDEO, iter(frames))) for frames in (first, second)]
    runs = [model.track(VIDEO, iter(frames)) for frames in (first, second)]
    mixed = [[], []]
    for _ in range(4):
        for results, run in zip(mixed, runs, strict=True):
            results.append(next(run))
    assert [flat(results) for results in mixed] == alone


def test_tracking_yields_before_it_asks_for_the_next_frame():
    model, handed_over = build(key_interval=2), []

    def frames():
        for number, frame in enumerate(make_frames(4)):
            handed_over.append(number)
            yield frame

    for number, result in enumerate(model.track(VIDEO, frames())):
        assert handed_over == list(range(number + 1))
        assert result.index == number
