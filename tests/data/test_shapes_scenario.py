"""What is drawn for the synthetic videos: shares, ranges and independence of class and colour."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import pytest
from scipy.stats import chi2_contingency, chisquare

from vis_bench.data.shapes.layout import plan_video
from vis_bench.data.shapes.parameters import CLASS_NAMES, SHAPE_SETS
from vis_bench.data.shapes.scenario import VideoPlan, draw_looks, random_generator, spread_choice
from vis_bench.data.shapes.static import static_images

SPLITS = [(name, split) for name, parameters in SHAPE_SETS.items() for split in parameters.splits]


def plans(name: str, split: str) -> list[VideoPlan]:
    return [plan_video(name, split, i) for i in range(SHAPE_SETS[name].splits[split].videos)]


def test_sizes_of_the_splits() -> None:
    sizes = {
        f"{name}/{split}": (size.videos, size.frames)
        for name, parameters in SHAPE_SETS.items()
        for split, size in parameters.splits.items()
    }
    assert sizes == {
        "shapes/train": (500, 12),
        "shapes/val": (60, 16),
        "shapes/test": (60, 16),
        "shapes-occlusion/test": (30, 16),
        "shapes-crossing/test": (30, 16),
        "shapes-alike/test": (30, 16),
        "shapes-long/test": (15, 80),
        "shapes-entering/test": (30, 24),
        "shapes-v1/train": (500, 12),
        "shapes-v1/val": (60, 16),
        "shapes-v1/test": (60, 16),
    }
    assert len(CLASS_NAMES) >= 5


@pytest.mark.parametrize(("start", "count", "share"), [(0, 60, 0.3), (17, 60, 0.5), (400, 500, 0.3)])
def test_spread_choice_keeps_the_share_in_any_run(start: int, count: int, share: float) -> None:
    chosen = [spread_choice(i, share, math.sqrt(2) - 1) for i in range(start, start + count)]
    assert np.mean(chosen) == pytest.approx(share, abs=3 / count)


def test_class_and_colour_are_independent_and_classes_equally_frequent() -> None:
    looks = [look for i in range(800) for look in draw_looks(4, random_generator("test", i))]
    table = np.zeros((len(CLASS_NAMES), 6))
    for look in looks:
        hue = colorsys.rgb_to_hsv(*look.colours[0].tolist())[0]
        table[look.label, int(hue * 6) % 6] += 1
    assert chi2_contingency(table).pvalue > 0.01
    assert chisquare(table.sum(axis=1)).pvalue > 0.01
    assert table.min() > 0


def test_hues_of_one_video_keep_apart() -> None:
    for i in range(50):
        looks = draw_looks(6, random_generator("test", i))
        hues = sorted(colorsys.rgb_to_hsv(*look.colours[0].tolist())[0] for look in looks)
        gaps = np.diff([*hues, hues[0] + 1.0])
        # Six slots of 1/6 with a jitter of a quarter of a slot each way.
        assert gaps.min() >= 0.5 / 6 - 1e-3


@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_radii_and_scale_stay_in_range_and_change(name: str, split: str) -> None:
    parameters = SHAPE_SETS[name]
    low = parameters.radius_px[0] * parameters.scale[0] * 0.94
    high = parameters.radius_px[1] * parameters.scale[1] * 1.06
    ratios = []
    for plan in plans(name, split):
        for item in plan.objects:
            assert low - 1e-9 <= item.radii_px.min() <= item.radii_px.max() <= high + 1e-9
            ratios.append(item.radii_px.max() / item.radii_px.min())
    assert np.median(ratios) > 1.0 + 0.5 * (parameters.scale[1] / parameters.scale[0] - 1.0)


def test_all_objects_of_an_alike_video_look_the_same() -> None:
    for plan in plans("shapes-alike", "test"):
        first, *others = (item.look for item in plan.objects)
        assert len(others) >= 2
        assert all(first.equals(other) for other in others)


def test_crossing_objects_move_about_a_radius_per_frame() -> None:
    steps, radii = [], []
    for plan in plans("shapes-crossing", "test"):
        for item in plan.objects:
            steps.extend(np.linalg.norm(np.diff(item.centres_px, axis=0), axis=1))
            radii.append(item.radii_px.mean())
    assert 0.75 < np.median(steps) / np.mean(radii) < 1.1


def test_crossing_paths_meet() -> None:
    # Two of the objects have the same centre in one frame of every crossing video.
    for plan in plans("shapes-crossing", "test"):
        gaps = [
            np.linalg.norm(a.centres_px - b.centres_px, axis=1).min()
            for i, a in enumerate(plan.objects)
            for b in plan.objects[i + 1 :]
        ]
        assert min(gaps) < 1e-6


def test_streams_of_splits_and_single_images_are_disjoint() -> None:
    names = [f"{SHAPE_SETS[name].stream}/{split}" for name, split in SPLITS]
    draws = [random_generator(name, i).random() for name in names for i in range(100)]
    for name in ("static", "stills"):
        draws += [random_generator(name, seed, i).random() for seed in range(3) for i in range(100)]
    assert len(set(draws)) == len(draws)


def test_static_images_depend_on_seed_and_position_only() -> None:
    images, maps = static_images(7, 4)
    assert images.shape == (4, 96, 160, 3)
    assert maps.shape == (4, 96, 160)
    assert images.dtype == maps.dtype == np.uint8
    more_images, more_maps = static_images(7, 6)
    assert np.array_equal(images, more_images[:4])
    assert np.array_equal(maps, more_maps[:4])
    assert not np.array_equal(images, static_images(8, 4)[0])
    assert static_images(7, 1, (64, 64))[0].shape == (1, 64, 64, 3)


def test_static_maps_show_where_the_objects_are() -> None:
    images, maps = static_images(1, 60)
    assert set(np.unique(maps)) == {0, 1, 2, 3, 4, 5}
    values = images.astype(float)
    colourful = (values.max(axis=3) - values.min(axis=3)) / np.maximum(values.max(axis=3), 1.0)
    assert colourful[maps > 0].mean() > 2.5 * colourful[maps == 0].mean()
    # Dense: six to twelve objects cover much more than the three or four of a video.
    assert 0.25 < (maps > 0).mean() < 0.7
