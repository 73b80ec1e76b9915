"""Public checkpoints as starts: how much of each a method takes, and what it says about the rest."""

from __future__ import annotations

import json

import pytest
import torch
from public_names import (
    State,
    caffe2_resnet,
    condinst,
    detectron2_mask_rcnn,
    detectron2_resnet,
    filled,
    pixel_statistics,
    sparse_rcnn,
)
from public_query_models import mask2former, queryinst
from torchvision.models import resnet50
from torchvision.models.detection import maskrcnn_resnet50_fpn


@pytest.fixture
def show(vis_bench, tmp_path):
    """Call `weights show --json` on a state dict: (exit code, the JSON)."""

    def call(state: State, method: str, *options: str, dataset: str = "ytvis21"):
        path = tmp_path / "public.pth"
        torch.save({"model": state}, path)
        code, out, err = vis_bench(
            "weights", "show", path, "--method", method, "--dataset", dataset, "--json", *options
        )
        return code, json.loads(out) if out else err

    return call


def torchvision_mask_rcnn() -> State:
    with torch.device("meta"):
        model = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    return filled({name: value.shape for name, value in model.state_dict().items()})


@pytest.mark.parametrize("depth", [50, 101])
def test_mask_rcnn_of_detectron2(show, depth: int) -> None:
    method = "masktrack_rcnn" if depth == 50 else "masktrack_rcnn@paper+r101"
    code, found = show(filled(detectron2_mask_rcnn(depth)), method)
    assert code == 0
    assert found.keys() == {"source", "loaded", "of", "missing", "unused", "stride_in_1x1"}
    # all but the tracking head and three class heads
    assert found["of"] - found["loaded"] == 10
    if depth == 50:
        assert (found["loaded"], found["of"]) == (301, 311)
    assert {name.split(".")[0] for name in found["missing"]} == {"box_head", "mask_head", "track_head"}
    assert "proposal_generator.anchor_generator.cell_anchors.0" in found["unused"]
    assert "roi_heads.box_predictor.cls_score.weight" in found["unused"]
    assert found["stride_in_1x1"] is True


def test_pixel_statistics_tell_the_backbone(show) -> None:
    shapes = filled(detectron2_mask_rcnn())
    assert show(shapes | pixel_statistics(rgb=True), "masktrack_rcnn")[1]["stride_in_1x1"] is False
    assert show(shapes | pixel_statistics(rgb=False), "masktrack_rcnn")[1]["stride_in_1x1"] is True
    odd = pixel_statistics(rgb=True) | {"pixel_mean": torch.zeros(3, 1, 1)}
    code, message = show(shapes | odd, "masktrack_rcnn")
    assert code == 3
    assert "other pixels" in message
    code, found = show(shapes | odd, "masktrack_rcnn", "--source", "detectron2-mask-rcnn-rgb")
    assert (code, found["stride_in_1x1"]) == (0, False)


def test_mask_rcnn_of_torchvision(show) -> None:
    code, found = show(torchvision_mask_rcnn(), "masktrack_rcnn")
    assert (code, found["loaded"], found["of"]) == (0, 301, 311)
    assert found["stride_in_1x1"] is False


def test_condinst(show) -> None:
    code, found = show(filled(condinst()), "stc")
    assert (code, found["of"]) == (0, 392)
    assert found["loaded"] >= 355
    new = {name.split(".")[0] for name in found["missing"] if not name.endswith("num_batches_tracked")}
    assert new == {"detection", "kernel_tower", "kernels", "tracking"}
    assert "controller.weight" in found["unused"]
    assert found["stride_in_1x1"] is True


def test_the_kernels_of_condinst_go_where_the_box_tower_is_read(show) -> None:
    code, found = show(filled(condinst()), "stc", "--set", "kernel_source=box_tower")
    assert code == 0
    assert "kernels.weight" not in found["missing"]
    assert "controller.weight" not in found["unused"]


def test_the_mask_branch_of_condinst_alone_goes_to_inspro(show) -> None:
    code, found = show(filled(condinst()), "inspro")
    # 3 + 4 blocks of convolution and norm, and the output
    assert (code, found["loaded"], found["stride_in_1x1"]) == (0, 7 * 5 + 2, None)


@pytest.mark.parametrize(
    ("method", "of", "new"),
    [
        ("inspro", 581, {"attention", "mask_head", "stages"}),
        ("inspro_lite", 623, {"attention", "mask_head", "stages", "non_key_stage"}),
        ("inspro_tbd", 583, {"embed_head", "mask_head", "stages"}),
        ("inspro_motr", 597, {"interaction", "mask_head", "stages"}),
    ],
)
def test_sparse_rcnn(show, method: str, of: int, new: set[str]) -> None:
    code, found = show(filled(sparse_rcnn()), method)
    assert (code, found["of"]) == (0, of)
    # backbone, pyramid, queries and boxes, six stages of 38 less their class outputs
    assert found["loaded"] == 265 + 16 + 2 + 6 * (40 - 2)
    assert found["loaded"] >= 505
    assert {name.split(".")[0] for name in found["missing"]} == new
    assert found["unused"] == sorted(
        f"head.head_series.{i}.class_logits.{part}" for i in range(6) for part in ("bias", "weight")
    )


def test_sparse_rcnn_for_boxes(show) -> None:
    code, found = show(filled(sparse_rcnn(depth=101)), "inspro_vid", dataset="ovis")
    assert (code, found["of"]) == (0, 780)
    assert {name.split(".")[0] for name in found["missing"]} == {"attention", "stages"}


def test_another_number_of_queries_is_no_start(show) -> None:
    assert show(filled(sparse_rcnn(queries=300)), "inspro")[0] == 3
    assert show(filled(sparse_rcnn(queries=300)), "inspro", "--set", "queries=300")[0] == 0


def test_half_a_fit_is_refused_with_names(vis_bench, tmp_path) -> None:
    path = tmp_path / "condinst.pth"
    torch.save({"model": filled(condinst())}, path)
    code, _, err = vis_bench("weights", "show", path, "--method", "masktrack_rcnn")
    assert code == 3
    assert "missing: backbone.body.conv1.weight" in err


RESNETS = {
    "torchvision-resnet": lambda: {name: value.detach() for name, value in resnet50().state_dict().items()},
    "detectron2-resnet": lambda: filled(detectron2_resnet("") | {"stem.fc.weight": (1000, 2048)}),
    "msra-resnet": lambda: filled(caffe2_resnet()),
}


@pytest.mark.parametrize("kind", RESNETS)
@pytest.mark.parametrize(
    "method", ["masktrack_rcnn", "stc", "inspro", "querytrack", "mask2former_vis", "ifr"]
)
def test_a_resnet_fills_every_backbone(show, kind: str, method: str) -> None:
    code, found = show(RESNETS[kind](), method)
    assert (code, found["loaded"]) == (0, 265)
    assert not any(name.startswith("backbone.") for name in found["missing"])
    assert found["stride_in_1x1"] is (kind == "msra-resnet")


def test_queryinst(show) -> None:
    code, found = show(filled(queryinst()), "querytrack")
    assert (code, found["loaded"], found["of"]) == (0, 727, 823)
    assert {name.split(".")[0] for name in found["missing"]} == {"stages", "mask_heads", "track_heads"}
    assert "roi_head.bbox_head.0.fc_cls.weight" in found["unused"]
    assert found["stride_in_1x1"] is False


def test_mask2former_of_videos_and_of_images(show) -> None:
    code, found = show(filled(mask2former(40)) | pixel_statistics(rgb=True), "mask2former_vis")
    assert (code, found["loaded"], found["of"], found["missing"]) == (0, 557, 557, [])
    assert set(found["unused"]) == {"criterion.empty_weight", "pixel_mean", "pixel_std"}
    code, found = show(filled(mask2former(80)), "mask2former_vis")
    assert (code, found["loaded"], found["of"]) == (0, 555, 557)
    assert found["missing"] == ["decoder.class_head.bias", "decoder.class_head.weight"]


@pytest.mark.parametrize(("size", "queries"), [("swin-t", 100), ("swin-l", 200)])
def test_mask2former_with_swin(show, size: str, queries: int) -> None:
    variant = f"mask2former_vis@paper+{size}" + ("-200" if queries == 200 else "")
    code, found = show(filled(mask2former(40, size, queries)), variant)
    assert (code, found["missing"]) == (0, [])
    assert found["loaded"] == found["of"]
    assert found["stride_in_1x1"] is None
    assert any(name.endswith("relative_position_index") for name in found["unused"])


def test_mask2former_gives_ifr_what_a_frame_does(show) -> None:
    code, found = show(filled(mask2former(80)), "ifr")
    assert (code, found["of"]) == (0, 719)
    assert found["loaded"] >= 553
    new = {name.split(".")[3] if ".layers." in name else name for name in found["missing"]}
    assert new == {
        *("temporal_attention", "clip_attention", "clip_feed_forward"),
        *("decoder.class_head.bias", "decoder.class_head.weight"),
    }
