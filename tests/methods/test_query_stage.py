"""One query stage: sizes, agreement with QueryInst's numbers, published names, gradients."""

import os
from pathlib import Path

import pytest
import torch
from closeness import STORED_IN_FLOAT32, WHOLE_NETWORK, assert_close_to_largest, in_float64
from safetensors.torch import load_file

from methods.layers.box_codec import MMDET_LOG_SCALES, decode_deltas
from methods.layers.dynconv import QUERYINST_DYNAMIC_CONV, DynamicConv
from methods.layers.query_stage import QueryStage, QueryStageConfig, stage_from_queryinst

FIXTURE = Path(__file__).parents[1] / "fixtures" / "parity_queryinst" / "heads.safetensors"
SMALL = QueryStageConfig(dim=32, heads=4, feedforward=64, dynamic_hidden=8, resolution=7)


def pyramid(batch=2, channels=32, size=64):
    return {f"p{i}": torch.randn(batch, channels, size >> i, size >> i) for i in range(2, 6)}


@pytest.mark.parametrize(("classes", "expected"), [(40, 13_225_132), (80, 13_235_412), (30, 13_222_562)])
def test_parameter_counts(classes, expected):
    with torch.device("meta"):
        stage = QueryStage(classes, QueryStageConfig())
    assert sum(p.numel() for p in stage.parameters()) == expected


def check_stage(weights, reference):
    exact = {name: value.double() for name, value in reference.items() if isinstance(value, torch.Tensor)}
    stage = QueryStage(5, SMALL).double()
    published = {f"roi_head.bbox_head.2.{name}": value for name, value in weights.items()}
    published["backbone.conv1.weight"] = torch.zeros(1)
    stage.load_state_dict(stage_from_queryinst(published, "roi_head.bbox_head.2."))
    features, attended = stage.interact(exact["proposal_feat"], exact["roi_feat"])
    logits, deltas = stage.predict(features)
    for ours, name in (
        (attended, "attn_feats"),
        (features, "obj_feat"),
        (logits, "cls_score"),
        (deltas, "bbox_delta"),
    ):
        assert_close_to_largest(ours.float(), reference[name], terms=STORED_IN_FLOAT32)
    boxes = decode_deltas(exact["bbox_delta"].flatten(0, 1), exact["boxes_in"], log_scales=MMDET_LOG_SCALES)
    assert_close_to_largest(boxes.float(), reference["boxes_decoded"], terms=STORED_IN_FLOAT32)


def test_equals_queryinst_through_published_names():
    data = load_file(FIXTURE)
    weights = {
        n.removeprefix("dii_stage/state/"): v for n, v in data.items() if n.startswith("dii_stage/state/")
    }
    check_stage(weights, {n.removeprefix("dii_stage/"): v for n, v in data.items()})


@pytest.mark.skipif("VIS_BENCH_FIXTURES" not in os.environ, reason="VIS_BENCH_FIXTURES is not set")
def test_equals_queryinst_on_the_full_fixture():
    path = Path(os.environ.get("VIS_BENCH_FIXTURES", "")) / "parity" / "queryinst_heads.pt"
    data = torch.load(path, weights_only=True)
    check_stage(data["dii_stage"]["state_dict"], data["dii_stage"])
    for name, project, resolution in (("dynamic_conv_proj", True, 7), ("dynamic_conv_noproj", False, 14)):
        entry = data[name]
        module = DynamicConv(32, 8, resolution, project).double()
        renamed = {}
        for key, value in entry["state_dict"].items():
            layer, kind = key.rsplit(".", 1)
            renamed[f"{QUERYINST_DYNAMIC_CONV[layer]}.{kind}"] = value
        module.load_state_dict(renamed)
        output = module(entry["param_feature"].double(), entry["input_feature"].double())
        assert_close_to_largest(output.float(), entry["output"], terms=STORED_IN_FLOAT32)


def test_a_name_that_belongs_to_no_stage_is_refused():
    with pytest.raises(KeyError, match="mask_head"):
        stage_from_queryinst({"mask_head.0.weight": torch.zeros(1)})


def test_class_prior_and_box_output_gain():
    torch.manual_seed(0)
    stage = QueryStage(
        5, QueryStageConfig(dim=32, heads=4, feedforward=64, dynamic_hidden=8, box_output_gain=0)
    )
    torch.testing.assert_close(stage.class_output.bias.sigmoid(), torch.full((5,), 0.01))
    boxes = torch.tensor([[[4.0, 6.0, 30.0, 50.0]], [[0.0, 0.0, 64.0, 64.0]]])
    output = stage(pyramid(), torch.randn(2, 1, 32), boxes)
    torch.testing.assert_close(output.boxes, boxes)


@in_float64()
def test_queries_of_one_image_do_not_see_another_image():
    torch.manual_seed(0)
    stage = QueryStage(5, SMALL)
    features, queries = pyramid(), torch.randn(2, 4, 32)
    boxes = torch.rand(2, 4, 2).mul(20).repeat(1, 1, 2) + torch.tensor([0.0, 0.0, 30.0, 30.0])
    both = stage(features, queries, boxes)
    second = stage({name: f[1:] for name, f in features.items()}, queries[1:], boxes[1:])
    assert_close_to_largest(second.object_features[0], both.object_features[1], terms=WHOLE_NETWORK)
    assert_close_to_largest(second.boxes[0], both.boxes[1], terms=WHOLE_NETWORK)


def test_learnable_input_boxes_receive_gradient_through_the_decode():
    torch.manual_seed(0)
    stage = QueryStage(5, SMALL)
    boxes = torch.tensor([[[4.0, 6.0, 30.0, 50.0]]], requires_grad=True)
    features = {name: f[:1] for name, f in pyramid().items()}
    output = stage(features, torch.randn(1, 1, 32), boxes)
    gradient = torch.autograd.grad(output.boxes.sum(), boxes, retain_graph=True)[0]
    # corners move with the box, so the sum of x1 and x2 has derivative 2 with respect to the shift
    torch.testing.assert_close(gradient.sum(), torch.tensor(4.0))
    # reading the features is no path for gradients
    assert torch.autograd.grad(output.class_logits.sum(), boxes, allow_unused=True)[0] is None
