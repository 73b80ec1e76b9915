"""What two query sets need of the shared parts: filler that nobody sees, slots that newcomers may take."""

import torch
from closeness import WHOLE_NETWORK, assert_close_to_largest, in_float64

from methods.inspro.config import LossWeights
from methods.inspro.matching import match_frame
from methods.layers.query_stage import QueryStage, QueryStageConfig


@in_float64()
def test_filler_slots_change_nothing_for_the_others():
    torch.manual_seed(0)
    config = QueryStageConfig(dim=8, heads=2, feedforward=16, dynamic_hidden=4, resolution=2)
    stage = QueryStage(3, config).eval()
    features = {"p3": torch.randn(1, 8, 8, 8)}
    queries, boxes = torch.randn(1, 4, 8), torch.tensor([[[0.0, 0, 20, 20]] * 4])
    padding = torch.tensor([[False, False, False, True]])
    alone = stage(features, queries[:, :3], boxes[:, :3])
    padded = stage(features, queries, boxes, padding)
    assert_close_to_largest(padded.class_logits[:, :3], alone.class_logits, terms=WHOLE_NETWORK)
    assert_close_to_largest(padded.boxes[:, :3], alone.boxes, terms=WHOLE_NETWORK)
    seen = stage(features, queries, boxes)
    assert not torch.allclose(seen.class_logits[:, :3], alone.class_logits)


def test_entering_objects_take_allowed_slots_only():
    # slot 2 fits the object exactly, but is a track query; slot 0 is the better of the two detect queries
    boxes = torch.tensor([[[0.0, 0, 8, 8], [40, 40, 60, 60], [0, 0, 10, 10]]])
    logits = torch.zeros(1, 3, 2)
    arguments = (logits, boxes, torch.tensor([0]), torch.tensor([[0.0, 0, 10, 10]]), (64, 64), LossWeights())
    table, visible = torch.tensor([-1]), torch.tensor([True])
    assert match_frame(table, visible, *arguments).slots.tolist() == [[2]]
    allowed = torch.tensor([True, True, False])
    match = match_frame(table, visible, *arguments, allowed=allowed)
    assert match.slots.tolist() == [[0]]
    assert match.table.tolist() == [0]
    assert allowed.tolist() == [True, True, False]
