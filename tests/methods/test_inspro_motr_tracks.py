"""Track queries in training and their life at inference, by hand."""

import pytest
import torch
from closeness import WHOLE_NETWORK, assert_close_to_largest, in_float64
from torch import nn

from methods.inspro_motr.interaction import QueryInteraction
from methods.inspro_motr.lifecycle import LiveTracks, Thresholds, advance
from methods.inspro_motr.training_tracks import FILLER, bound_table, free_slots, gather_tracks, next_tracks

# slots 0 to 2 are detect queries, 3 and 4 track queries
BOXES = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 6], [50, 50, 60, 60], [20, 20, 30, 30], [21, 20, 31, 30]])
TARGETS = torch.tensor([[20.0, 20, 30, 30], [0, 0, 10, 10], [0, 0, 10, 10], [70, 70, 80, 80]])
REAL = torch.zeros(5, dtype=torch.bool)
NEVER = torch.zeros(4, dtype=torch.bool)


def lives_on(table, filler=REAL, min_iou=0.5, drop=NEVER, false=NEVER, visible=~NEVER):
    chosen, objects = next_tracks(BOXES, torch.tensor(table), visible, TARGETS, filler, min_iou, drop, false)
    return list(zip(chosen.tolist(), objects.tolist(), strict=True))


def only(*objects):
    return torch.tensor([n in objects for n in range(4)])


def test_slots_that_overlap_their_object_live_on():
    # object 0 keeps track query 3, object 1 enters in detect query 0
    assert lives_on([3, 0, -1, -1]) == [(3, 0), (0, 1)]
    # object 3 is bound to a box far away, object 1 to one of IoU 0.6
    assert lives_on([3, 1, -1, 2]) == [(3, 0), (1, 1)]
    assert lives_on([3, 1, -1, 2], min_iou=0.6) == [(3, 0)]
    assert lives_on([-1, -1, -1, -1]) == []


def test_dropped_tracks_are_left_out():
    assert lives_on([3, 0, -1, -1], drop=only(0)) == [(0, 1)]
    assert lives_on([3, 0, -1, -1], drop=only(2, 3)) == [(3, 0), (0, 1)]


def test_false_tracks_are_the_most_similar_slots_without_an_object():
    # slot 4 is the shifted copy of 3, slot 1 the shorter copy of 0
    assert lives_on([3, 0, -1, -1], false=only(0)) == [(3, 0), (0, 1), (4, -1)]
    assert lives_on([3, 0, -1, -1], false=only(1)) == [(3, 0), (0, 1), (1, -1)]
    both = [(3, 0), (0, 1), (1, -1), (4, -1)]
    assert lives_on([3, 0, -1, -1], false=only(0, 1)) == both
    # two tracks that resemble the same slot add it once
    assert lives_on([-1, 0, 1, -1], min_iou=0.0, false=only(1, 2)) == [(0, 1), (1, 2), (2, -1)]
    # a dropped track is not copied, and filler never lives
    assert lives_on([3, 0, -1, -1], drop=only(0), false=only(0)) == [(0, 1)]
    filler = torch.tensor([False, False, False, False, True])
    assert (4, -1) not in lives_on([3, 0, -1, -1], filler=filler, false=only(0))


def test_the_slot_of_a_vanished_object_lives_on_whatever_its_box_unless_it_is_dropped():
    # object 3 is bound to slot 2, far from it; seen it would lose the slot, vanished it keeps it
    assert lives_on([3, -1, -1, 2]) == [(3, 0)]
    gone = only(0, 1, 2)
    assert lives_on([3, -1, -1, 2], visible=gone) == [(3, 0), (2, 3)]
    assert lives_on([3, -1, -1, 2], visible=gone, drop=only(3)) == [(3, 0)]
    # nor is it a false track, however like another track it is: slot 4 is the shifted copy of slot 3
    assert lives_on([3, -1, -1, 4], visible=gone, false=only(0)) == [(3, 0), (4, 3), (0, -1)]


def test_tracked_objects_keep_their_slot():
    objects = torch.tensor([2, -1, 0, FILLER])
    assert bound_table(objects, 4, detect_queries=5).tolist() == [7, -1, 5, -1]


def test_new_objects_may_take_detect_queries_and_false_tracks():
    # one track is bound, one false, one filler: MOTR selects obj_idxes == -1, and its false tracks have -1
    assert free_slots(torch.tensor([1, -1, FILLER]), detect_queries=2).tolist() == [
        True,
        True,
        False,
        True,
        False,
    ]


def test_tracks_of_clips_are_padded_to_the_longest():
    values = torch.arange(12.0).view(2, 3, 2).requires_grad_()
    rows, filler = gather_tracks(values, [torch.tensor([2, 0]), torch.tensor([1])])
    assert rows.tolist() == [[[4, 5], [0, 1]], [[8, 9], [0, 0]]]
    assert filler.tolist() == [[False, False], [False, True]]
    rows.sum().backward()
    assert values.grad[0, 1].tolist() == [0, 0]
    assert values.grad[0, 2].tolist() == [1, 1]
    filled, _ = gather_tracks(values, [torch.tensor([2]), torch.tensor([]).long()], torch.full((2, 2), 9.0))
    assert filled.tolist() == [[[4, 5]], [[9, 9]]]


def test_interaction_is_attention_feed_forward_and_update_of_the_entering_query():
    torch.manual_seed(0)
    module = QueryInteraction(4, 1, 6).double()
    features, queries = torch.randn(1, 3, 4).double(), torch.randn(1, 3, 4).double()
    out = module(features, queries, torch.zeros(1, 3, dtype=torch.bool))
    o = features[0]
    weight, bias = module.attention.in_proj_weight, module.attention.in_proj_bias
    q, k, v = (o @ weight[4 * i : 4 * i + 4].T + bias[4 * i : 4 * i + 4] for i in range(3))
    mixed = (q @ k.T / 2).softmax(1) @ v
    mixed = mixed @ module.attention.out_proj.weight.T + module.attention.out_proj.bias

    def norm(x, layer):
        centred = x - x.mean(1, keepdim=True)
        return centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt() * layer.weight + layer.bias

    def forward(x, layers):
        hidden = (x @ layers[0].weight.T + layers[0].bias).clamp(min=0)
        return hidden @ layers[2].weight.T + layers[2].bias

    x = norm(o + mixed, module.attention_norm)
    x = norm(x + forward(x, module.feedforward), module.feedforward_norm)
    expected = norm(queries[0] + forward(x, module.update), module.update_norm)
    torch.testing.assert_close(out[0], expected)
    replaced = QueryInteraction(4, 1, 6, residual=False).double()
    shared = {name: value for name, value in module.state_dict().items() if not name.startswith("update")}
    replaced.load_state_dict(shared)
    torch.testing.assert_close(replaced(features, queries, torch.zeros(1, 3, dtype=torch.bool))[0], x)


@in_float64()
def test_interaction_ignores_filler_and_survives_clips_without_tracks():
    torch.manual_seed(0)
    module = QueryInteraction(4, 2, 6)
    nn.init.normal_(module.attention.in_proj_bias)
    features, queries = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    filler = torch.tensor([[False, False, True], [True, True, True]])
    out = module(features, queries, filler)
    alone = module(features[:1, :2], queries[:1, :2], filler[:1, :2])
    assert_close_to_largest(out[:1, :2], alone, terms=WHOLE_NETWORK)
    assert (out[filler] == 0).all()
    assert module(features[:, :0], queries[:, :0], filler[:, :0]).shape == (2, 0, 4)


THRESHOLDS = Thresholds(birth=0.7, keep=0.6, patience_frames=5)


def follow(scores, thresholds=THRESHOLDS):
    """Is the one track alive, frame by frame? One detect query, silent after frame 0."""
    live, alive = LiveTracks(), []
    for t, score in enumerate(scores):
        given = [score] if t == 0 else [0.0, score] if live.identities else [0.0]
        live = advance(given, 1, live, thresholds).after
        alive.append(bool(live.identities))
    return alive


def test_a_detect_query_becomes_a_track_at_the_birth_threshold():
    assert follow([0.69]) == [False]
    assert follow([0.7]) == [True]


def test_a_track_ends_after_five_missed_frames():
    assert follow([0.9] + [0.59] * 5) == [True] * 5 + [False]
    assert follow([0.9] + [0.6] * 9) == [True] * 10


def test_missed_frames_are_forgotten_at_the_birth_threshold_only():
    weak = [0.9, 0.1, 0.1, 0.1, 0.1, 0.65, 0.1]
    assert follow(weak) == [True] * 6 + [False]
    strong = [0.9, 0.1, 0.1, 0.1, 0.1, 0.75, 0.1]
    assert follow(strong) == [True] * 7
    keep = Thresholds(birth=0.7, keep=0.6, patience_frames=5, reset="keep")
    assert follow(weak, keep) == [True] * 7


def test_tracks_come_before_new_ones_and_numbers_are_not_reused():
    # tracks up to 8 have been, and those after 5 have ended
    before = LiveTracks(identities=(3, 5), missed=(4, 0), next_identity=9)
    # detect queries 0 and 2 are born, track 3 misses its fifth frame
    now = advance([0.9, 0.2, 0.8, 0.1, 0.95], 3, before, THRESHOLDS)
    assert now.slots == (4, 0, 2)
    assert now.after == LiveTracks((5, 9, 10), (0, 0, 0), 11)
    with pytest.raises(ValueError, match="4 scores"):
        advance([0.1] * 4, 3, before, THRESHOLDS)
