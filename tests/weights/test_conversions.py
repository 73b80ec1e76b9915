"""Conversions by value: the order of classes, the stem, strides, norms."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet50
from torchvision.models.detection import maskrcnn_resnet50_fpn

from methods.layers.backbone import build_backbone
from methods.layers.backbone_config import BackboneConfig
from methods.layers.detectron2_names import STEM, caffe2_own_name, stem_from_bgr, with_fused_norms
from methods.layers.images import MEAN_RGB, STD_RGB
from methods.masktrack_rcnn.checkpoint import sources
from methods.masktrack_rcnn.config import CONFIGS
from methods.masktrack_rcnn.heads import BoxHead, MaskHead
from methods.stc.checkpoint import sources as stc_sources
from methods.stc.config import CONFIGS as STC_CONFIGS
from vis_bench.weights.coco import COCO_CLASSES, COCO_GAPS
from vis_bench.weights.source import convert

MASK_RCNN = {source.kind: source for source in sources(CONFIGS["paper"])}


def test_the_stem_reads_rgb_as_it_read_bgr() -> None:
    torch.manual_seed(0)
    weight = torch.randn(4, 3, 7, 7)
    frame = torch.randint(0, 256, (1, 3, 20, 24)).float()
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN_RGB, STD_RGB))
    theirs = F.conv2d(frame.flip(1) - mean.flip(1), weight, stride=2, padding=3)
    own = stem_from_bgr({STEM: weight})[STEM]
    ours = F.conv2d((frame - mean) / std, own, stride=2, padding=3)
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()


def test_norms_stored_as_scale_and_shift_stay_what_they_are() -> None:
    filled = with_fused_norms({"a.bn1.weight": torch.tensor([2.0]), "a.bn1.bias": torch.tensor([3.0])})
    x = torch.tensor([[[[5.0]]]])
    names = ("running_mean", "running_var", "weight", "bias")
    y = F.batch_norm(x, *(filled[f"a.bn1.{name}"] for name in names), eps=0.0)
    assert y.item() == 13.0
    whole = {f"a.bn1.{name}": torch.tensor([4.0]) for name in names}
    assert with_fused_norms(whole) == whole


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("conv1_w", "conv1.weight"),
        ("res_conv1_bn_s", "bn1.weight"),
        ("res2_0_branch1_w", "layer1.0.downsample.0.weight"),
        ("res2_0_branch1_bn_b", "layer1.0.downsample.1.bias"),
        ("res4_22_branch2b_bn_gamma", "layer3.22.bn2.weight"),
        ("res5_2_branch2c_w", "layer4.2.conv3.weight"),
        ("res5_2_branch2c_bn_running_var", "layer4.2.bn3.running_var"),
        ("fc1000_w", None),
        ("res6_0_branch2a_w", None),
    ],
)
def test_names_of_caffe2(name: str, own: str | None) -> None:
    assert caffe2_own_name(name) == (own and f"backbone.body.{own}")


def test_strides_in_the_first_convolution() -> None:
    backbone = build_backbone(BackboneConfig(stride_in_1x1=True))
    plain = build_backbone(BackboneConfig())
    for layer in (2, 3, 4):
        block, other = (getattr(net.body, f"layer{layer}")[0] for net in (backbone, plain))
        assert (block.conv1.stride, block.conv2.stride) == ((2, 2), (1, 1))
        assert (other.conv1.stride, other.conv2.stride) == ((1, 1), (2, 2))
    assert backbone.body.layer1[0].conv1.stride == (1, 1)
    backbone.load_state_dict(plain.state_dict())
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs = backbone(x), plain(x)
    assert {name: y.shape for name, y in ours.items()} == {name: y.shape for name, y in theirs.items()}
    assert torch.equal(ours["res2"], theirs["res2"])
    assert not torch.allclose(ours["res3"], theirs["res3"])


def test_class_heads_of_detectron2_get_their_background_first() -> None:
    """Three classes and the background last, rows numbered by class; deltas have four rows a class."""
    at = "roi_heads."
    names = ("a", "b", "c")
    state = {
        f"{at}box_predictor.cls_score.bias": torch.tensor([1.0, 2, 3, 0]),
        f"{at}box_predictor.bbox_pred.bias": torch.arange(4, 16).float(),
        f"{at}mask_head.predictor.bias": torch.tensor([1.0, 2, 3]),
    }
    found = convert(MASK_RCNN["detectron2-mask-rcnn"], state).state
    assert found["box_head.classes.bias"].tolist() == [0, 1, 2, 3]
    assert found["box_head.deltas.bias"].tolist() == [0] * 4 + list(range(4, 16))
    assert found["mask_head.classes.bias"].tolist() == [0, 1, 2, 3]
    assert BoxHead(4, 4, len(names)).deltas.bias.shape == found["box_head.deltas.bias"].shape
    assert MaskHead(4, 4, 1, len(names)).classes.bias.shape == found["mask_head.classes.bias"].shape


def test_heads_of_torchvision_without_the_ids_that_no_class_has() -> None:
    at = "roi_heads."
    numbered = torch.arange(91).float()
    state = {
        f"{at}box_predictor.cls_score.bias": numbered,
        f"{at}box_predictor.bbox_pred.bias": numbered.repeat_interleave(4),
        f"{at}mask_predictor.mask_fcn_logits.bias": numbered,
        "backbone.body.bn1.running_var": torch.ones(1),
    }
    found = convert(MASK_RCNN["torchvision-mask-rcnn"], state).state
    kept = [i for i in range(91) if i not in COCO_GAPS]
    assert len(kept) == 81
    assert found["box_head.classes.bias"].tolist() == kept
    assert found["box_head.deltas.bias"].tolist() == [i for i in kept for _ in range(4)]
    assert found["mask_head.classes.bias"].tolist() == kept
    # torchvision trained these with an epsilon of 0, ours adds 1e-5
    assert torch.rsqrt(found["backbone.body.bn1.running_var"] + 1e-5).item() == pytest.approx(1, abs=1e-6)


def test_coco_classes_are_those_of_torchvision() -> None:
    from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights as Weights

    names = Weights.COCO_V1.meta["categories"]
    assert tuple(names[i] for i in range(1, 91) if i not in COCO_GAPS) == COCO_CLASSES
    assert {names[i] for i in COCO_GAPS} == {"N/A"}


def test_box_and_mask_heads_of_torchvision_compute_the_same() -> None:
    torch.manual_seed(0)
    theirs = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).eval()
    found = convert(MASK_RCNN["torchvision-mask-rcnn"], theirs.state_dict()).state
    box, mask = BoxHead(12544, 1024, 80), MaskHead(256, 256, 4, 80)
    for head, prefix in ((box, "box_head."), (mask, "mask_head.")):
        head.load_state_dict({k.removeprefix(prefix): v for k, v in found.items() if k.startswith(prefix)})
    kept = [i for i in range(91) if i not in COCO_GAPS]
    with torch.no_grad():
        x = torch.randn(2, 256, 7, 7)
        logits, deltas = theirs.roi_heads.box_predictor(theirs.roi_heads.box_head(x))
        ours, our_deltas = box(x)
        _close(ours, logits[:, kept])
        _close(our_deltas, deltas.unflatten(1, (91, 4))[:, kept])
        y = torch.randn(2, 256, 14, 14)
        _close(mask(y), theirs.roi_heads.mask_predictor(theirs.roi_heads.mask_head(y))[:, kept])


def test_a_backbone_of_torchvision_computes_the_same() -> None:
    torch.manual_seed(0)
    theirs = resnet50().eval()
    own = build_backbone(BackboneConfig()).eval()
    source = next(source for source in sources(CONFIGS["paper"]) if source.kind == "torchvision-resnet")
    found = convert(source, theirs.state_dict())
    assert set(found.unused) == {"fc.weight", "fc.bias"}
    loaded = own.load_state_dict(
        {name.removeprefix("backbone."): value for name, value in found.state.items()}, strict=False
    )
    assert loaded.missing_keys == []
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        body = nn.Sequential(*list(theirs.children())[:-2])
        _close(own(x)["res5"], body(x))


def test_scales_of_condinst_become_one_tensor() -> None:
    source = stc_sources(replace(STC_CONFIGS["paper"]))[0]
    scales = {f"proposal_generator.fcos_head.scales.{i}.scale": torch.tensor([float(i)]) for i in range(5)}
    assert convert(source, scales).state["detection.scales"].tolist() == [0, 1, 2, 3, 4]


def _close(ours: torch.Tensor, theirs: torch.Tensor) -> None:
    """Equal but for the order of sums in single precision."""
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max()
