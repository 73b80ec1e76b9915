"""Masks at inference: of the slot that they are reported with, by the generator of the reported stage."""

from dataclasses import fields, replace

import pytest
import torch
from inspro_samples import FRAME_SIZE, LITE_MICRO, VIDEO, make_frames

from methods.inspro.config import InsProConfig
from methods.inspro.model import InsPro
from methods.inspro_lite.model import InsProLite
from methods.inspro_motr.config import TINY as MOTR_TINY
from methods.inspro_motr.config import InsProMotrConfig
from methods.inspro_motr.model import InsProMotr
from methods.inspro_tbd.config import TINY as TBD_TINY
from methods.inspro_tbd.config import InsProTbdConfig
from methods.inspro_tbd.model import InsProTbd
from methods.layers.box_codec import normalised_to_pixels
from vis_bench.masks.rle import decode

# the first cell of the mask features beyond an edge may still be inside
TOLERANCE_PX = 9


def micro(tiny: InsProTbdConfig | InsProMotrConfig, **changes):
    """`tiny` at the sizes of `LITE_MICRO`."""
    sizes = ("backbone", "queries", "dim", "stages", "heads", "feedforward", "dynamic_hidden", "mask_hidden")
    return replace(tiny, **{name: getattr(LITE_MICRO, name) for name in sizes}, roi_resolution=3, **changes)


def built(method: str):
    """A model whose boxes stay on the grid that they start from, and the generators of its frames."""
    torch.manual_seed(0)
    still = {"box_output_gain": 0.0}
    lite = replace(LITE_MICRO, presence_threshold=0.0, **still)
    match method:
        case "inspro":
            values = {item.name: getattr(lite, item.name) for item in fields(InsProConfig)}
            return InsPro(InsProConfig(**values), 3).eval(), (1,)
        case "lite":
            return InsProLite(lite, 3).eval(), (1, 2)
        case "tbd":
            return InsProTbd(micro(TBD_TINY, score_threshold=0.0, nms_iou=None, **still), 3).eval(), (1,)
    every = dict.fromkeys(("birth_threshold", "keep_threshold", "presence_threshold"), 0.0)
    return InsProMotr(micro(MOTR_TINY, **every, **still), 3).eval(), (1, 1)


def only_generator_draws(model, stage: int) -> None:
    """Masks of the generator of `stage` are what lies left of and above their box's centre, others empty."""
    with torch.no_grad():
        for generator in model.mask_head.generators:
            generator.weight.zero_()
            generator.bias.zero_()
            generator.bias[168] = -1.0
        bias = model.mask_head.generators[stage].bias
        # relu(-x), relu(-y) of the coordinates relative to the centre, 8 x 10 weights; on through the 8 x 8
        bias[0] = bias[11] = -1.0
        bias[80] = bias[89] = 1.0
        bias[144] = bias[145] = -1.0
        bias[168] = 0.01


@pytest.mark.parametrize("method", ["inspro", "lite", "tbd", "motr"])
def test_a_mask_is_drawn_around_the_box_of_its_own_slot(method):
    model, stages = built(method)
    height, width = FRAME_SIZE
    grid = normalised_to_pixels(model.initial_boxes, torch.tensor([FRAME_SIZE]))[0].detach()
    for t, stage in enumerate(stages):
        only_generator_draws(model, stage)
        result = list(model.track(VIDEO, iter(make_frames(t + 1))))[t]
        assert len(result.detections) >= 6
        for detection in result.detections:
            x, y, w, h = detection.box
            centre = (x + w / 2, y + h / 2)
            if t == 0:
                # reported boxes are clipped to the frame, those that masks are drawn around are not
                clipped = grid.clamp(min=0).minimum(torch.tensor([width, height, width, height]))
                own = (clipped - torch.tensor([x, y, x + w, y + h])).abs().amax(1).argmin()
                centre = ((grid[own, :2] + grid[own, 2:]) / 2).tolist()
            rows, columns = decode(detection.segmentation).nonzero()
            assert (rows.min(), columns.min()) == (0, 0)
            assert abs(columns.max() + 1 - centre[0]) <= TOLERANCE_PX
            assert abs(rows.max() + 1 - centre[1]) <= TOLERANCE_PX
