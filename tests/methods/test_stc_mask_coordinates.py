"""Masks of STC drawn by relative coordinates alone: their unit, their origin and their phase, by loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from closeness import HUNDRED_ROUNDINGS
from stc_samples import HEIGHT, WIDTH, Canned, blank, make_clip, outputs, small_config

from methods.stc.config import CONFIGS, LossConfig
from methods.stc.inference import detect_frame
from methods.stc.losses import detection_losses, frame_targets
from methods.stc.outputs import StcOutputs
from vis_bench.masks.rle import decode

ROWS, COLUMNS = HEIGHT // 8, WIDTH // 8
SCALES = (24.0, 48.0, 96.0)  # of the configuration that the samples use, per level


def tent_kernel() -> torch.Tensor:
    """Filters [169] with logit 0.97 - 2 |dx| - max(0, dy), d = (point - cell) / S of the level."""
    first, second = torch.zeros(8, 10), torch.eye(8)
    first[0, 0], first[1, 0], first[2, 1] = 1.0, -1.0, 1.0  # coordinate planes come first, x before y
    last = torch.tensor([-2.0, -2.0, -1.0, 0, 0, 0, 0, 0])
    biases = torch.zeros(17)
    biases[16] = 0.97
    return torch.cat((first.flatten(), second.flatten(), last, biases))


def tent(point: Sequence[float], scale: float) -> np.ndarray:
    """The same logits at the cells of the mask feature, in float64: [ROWS, COLUMNS]."""
    return np.array(
        [
            [
                0.97 - 2 * abs(point[0] - (8 * c + 4)) / scale - max(0.0, point[1] - (8 * r + 4)) / scale
                for c in range(COLUMNS)
            ]
            for r in range(ROWS)
        ]
    )


def interpolate(coarse: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Bilinear values of `coarse` at fractional positions, the border replicated."""
    along = np.stack([np.interp(columns, np.arange(coarse.shape[1]), row) for row in coarse])
    return np.stack([np.interp(rows, np.arange(coarse.shape[0]), column) for column in along.T]).T


def test_scales_of_the_paper_are_the_sizes_of_interest() -> None:
    assert CONFIGS["paper"].coordinate_scales == (64, 128, 256, 512, 1024)
    assert small_config().coordinate_scales == SCALES


def test_mask_loss_measures_from_the_point_in_units_of_its_level() -> None:
    """At the stride of 4, where cell i of the feature stands at 2 i + 1; the truth is every fourth pixel."""
    clip = make_clip([[(0, 0, 33, 41), (0, 0, WIDTH, HEIGHT)]])
    out = outputs(1)  # with random boxes: their middles are not their points
    config = small_config(loss=LossConfig(mask_positives=10_000))
    target = frame_targets(clip, 0, out.grid, (ROWS, COLUMNS), config)
    positive = (target.points >= 0).nonzero()[:, 0].tolist()
    assert set(out.grid.levels[positive].tolist()) == {0, 1, 2}
    out = replace(out, kernels=tent_kernel().expand_as(out.kernels))
    total = 0.0
    for i in positive:
        coarse = tent(out.grid.points[i].tolist(), SCALES[int(out.grid.levels[i])])
        fine = interpolate(coarse, (np.arange(2 * ROWS) - 1) / 2, (np.arange(2 * COLUMNS) - 1) / 2)
        x = 1 / (1 + np.exp(-fine))
        y = clip.masks[0, int(target.points[i])].numpy()[2::4, 2::4].astype(np.float64)
        total += 1 - 2 * (x * y).sum() / ((x * x).sum() + (y * y).sum() + 1e-5)
    got = detection_losses(out, torch.tensor([0]), [target], config)["dice"].item()
    assert got == pytest.approx(total / len(positive), rel=HUNDRED_ROUNDINGS)


def test_masks_of_a_frame_have_the_size_of_their_level_and_the_phase_of_training() -> None:
    # points (36, 28) of stride 8 and (40, 24) of stride 16, far from the middles of their boxes
    near, far = ((36.0, 28.0), 24.0), ((40.0, 24.0), 48.0)
    canned = Canned(
        (0, 3, 4, 0, 0.9, 0.9, (4.0, 4.0, 20.0, 20.0)), (1, 1, 2, 1, 0.8, 0.9, (8.0, 8.0, 40.0, 24.0))
    )

    def network(images: torch.Tensor) -> StcOutputs:
        out = canned(images)
        return replace(out, kernels=tent_kernel().expand_as(out.kernels))

    found = detect_frame(network, blank(), small_config())
    assert found.labels.tolist() == [0, 1]
    for mask, (point, scale), width in zip(found.segmentations, (near, far), (23, 47), strict=True):
        # feature cell i stands at pixel 8 i + 6 after upsampling by 2 and by 4, each aligned
        position = [(np.arange(side) - 6) / 8 for side in (HEIGHT, WIDTH)]
        wanted = interpolate(tent(point, scale), *position)
        assert np.abs(wanted).min() > 1e-3
        assert mask is not None
        assert (decode(mask) == (wanted > 0)).all()
        # |dx| < 0.97 S / 2 below the point, where dy takes nothing away
        assert (wanted[HEIGHT - 1] > 0).sum() == width
