"""Rendering and truth of the synthetic videos, against areas and hidden shares worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vis_bench.data.shapes.outline import OUTLINES
from vis_bench.data.shapes.parameters import CLASS_NAMES, MIN_VISIBLE_PX, SHAPE_SETS
from vis_bench.data.shapes.render import NOBODY, RenderedVideo, render_video
from vis_bench.data.shapes.scenario import (
    Look,
    ObjectPlan,
    VideoPlan,
    draw_background,
    draw_video,
    random_generator,
)
from vis_bench.data.shapes.truth import object_annotations, video_facts, visible_px
from vis_bench.masks import rle

RED = np.array([[1.0, 0.0, 0.0], [0.6, 0.0, 0.1]], dtype=np.float32)


def look(name: str, colours: np.ndarray = RED, texture: str = "stripes") -> Look:
    return Look(CLASS_NAMES.index(name), colours, texture, 2.5)


def still(appearance: Look, centres: list[tuple[float, float]], radius: float) -> ObjectPlan:
    frames = len(centres)
    return ObjectPlan(appearance, np.array(centres), np.full(frames, radius), np.zeros(frames))


def scene(*objects: ObjectPlan) -> VideoPlan:
    """Objects from back to front before a moving background, without blur and noise."""
    frames = len(objects[0].radii_px)
    return VideoPlan(
        size_px=(96, 160),
        objects=objects,
        background=draw_background(frames, (96, 160), (4.0, 16.0), random_generator("test")),
        blur_sigma_px=1e-3,
        streaks=np.full(frames, -1),
        noise_sigma=0.0,
        noise_seeds=np.zeros(frames, dtype=np.int64),
    )


# Areas in squared radii: pi 0.92^2; (2 x 0.82)^2; 3 sqrt(3) x 0.625^2; 5 x 1.25 x 0.6 x sin 36 degrees;
# 2 x 2.16 x 0.76 - 0.76^2.
AREAS = {"disc": 2.659, "square": 2.690, "triangle": 2.030, "star": 2.204, "cross": 2.706}


@pytest.mark.parametrize("name", CLASS_NAMES)
@pytest.mark.parametrize("angle", [0.0, 0.7])
def test_area_of_each_shape(name: str, angle: float) -> None:
    plan = scene(ObjectPlan(look(name), np.array([[80.3, 48.6]]), np.array([30.0]), np.array([angle])))
    rendered = render_video(plan)
    assert (rendered.owners == 0).sum() == pytest.approx(AREAS[name] * 900, rel=0.02)
    assert rendered.whole_px[0, 0] == (rendered.owners == 0).sum()


@pytest.mark.parametrize(
    ("name", "point", "distance"),
    [
        ("disc", (1.92, 0.0), 1.0),
        ("square", (0.0, -1.0), 0.18),
        ("square", (0.0, 0.0), -0.82),
        ("triangle", (0.0, 0.7), 0.075),
        ("triangle", (0.0, -1.25), 0.0),
        ("star", (0.0, -1.25), 0.0),
        ("star", (0.0, 0.6), 0.0),
        ("cross", (1.18, 0.2), 0.1),
        ("cross", (0.48, 0.9), 0.1),
    ],
)
def test_signed_distance_by_hand(name: str, point: tuple[float, float], distance: float) -> None:
    found = OUTLINES[name](np.array([point[0]]), np.array([point[1]]))[0]
    assert found == pytest.approx(distance, abs=1e-9)


def test_edges_are_antialiased_and_the_mask_is_what_covers_more_than_half() -> None:
    # A square of half side 0.82 x 10 = 8.2 px around column 80: its right edge is at 88.2, so it covers 0.7
    # of the pixel centred at 88 (87.5 to 88.5). Around 79.9 the edge is at 88.1: 0.6. Around 79.7: 0.4.
    for centre, coverage in ((80.0, 0.7), (79.9, 0.6), (79.7, 0.4)):
        plan = scene(still(look("square"), [(centre, 48.0)], 10.0))
        behind = scene(still(look("square"), [(-90.0, 48.0)], 10.0))
        rendered, empty = render_video(plan), render_video(behind)
        background = empty.frames[0, 48, 88].astype(float)
        # The rim multiplies the object's colour by at most 1 and at least 0.55, so compare green, which the
        # object does not have: what is left of the background is 1 - coverage.
        assert rendered.frames[0, 48, 88, 1] == pytest.approx((1 - coverage) * background[1], abs=1.0)
        assert (rendered.owners[0, 48, 88] == 0) == (coverage > 0.5)
        assert rendered.owners[0, 48, 89] == NOBODY


def test_nearer_objects_own_the_pixels() -> None:
    plan = scene(still(look("disc"), [(80, 48)], 20), still(look("square"), [(80, 48)], 10))
    rendered = render_video(plan)
    assert rendered.owners[0, 48, 80] == 1
    # The square lies wholly within the disc.
    assert (rendered.owners == 0).sum() == rendered.whole_px[0, 0] - rendered.whole_px[1, 0]


def test_hidden_share_of_two_discs() -> None:
    # Two discs of radius R at distance R: the lens is (2 pi / 3 - sqrt(3) / 2) R^2, 39.1 % of a disc.
    radius = 0.92 * 25.0
    plan = scene(
        still(look("disc"), [(70.0, 48.0)], 25.0), still(look("disc"), [(70.0 + radius, 48.0)], 25.0)
    )
    facts = video_facts(plan, render_video(plan))
    assert facts["max_occlusion"] == pytest.approx(0.391, abs=0.01)
    assert facts == {**facts, "objects": 2, "alike_pair": True, "reappearances": 0}


def test_alike_needs_class_colour_and_texture() -> None:
    green = RED[:, [1, 0, 2]]
    others = [look("square"), look("disc", green), look("disc", texture="checks")]
    for other in others:
        plan = scene(still(look("disc"), [(40, 48)], 15), still(other, [(120, 48)], 15))
        assert video_facts(plan, render_video(plan))["alike_pair"] is False


def test_objects_never_seen_are_neither_annotated_nor_counted() -> None:
    hidden = still(look("disc"), [(80, 48), (80, 48)], 8.0)
    front = still(look("square"), [(80, 48), (80, 48)], 20.0)
    plan = scene(hidden, front)
    rendered = render_video(plan)
    annotations = object_annotations(plan, rendered)
    assert [a["category_id"] for a in annotations] == [CLASS_NAMES.index("square") + 1]
    assert video_facts(plan, rendered)["objects"] == 1
    assert video_facts(plan, rendered)["max_occlusion"] == 0.0


def test_leaving_gives_null_and_counts_as_a_reappearance() -> None:
    plan = scene(still(look("star"), [(80, 48), (-60, 48), (80, 48)], 15.0))
    rendered = render_video(plan)
    [annotation] = object_annotations(plan, rendered)
    for key in ("segmentations", "bboxes", "areas"):
        assert [value is None for value in annotation[key]] == [False, True, False]
    assert video_facts(plan, rendered)["reappearances"] == 1


def test_fewer_than_twelve_pixels_count_as_absent() -> None:
    owners = np.full((2, 20, 20), NOBODY, dtype=np.int8)
    owners[0, 0, : MIN_VISIBLE_PX - 1] = 0
    owners[1, 0, :MIN_VISIBLE_PX] = 0
    assert MIN_VISIBLE_PX == 12
    assert visible_px(owners, 1).tolist() == [[0, 12]]


def test_annotation_agrees_with_the_pixels() -> None:
    plan = draw_video(SHAPE_SETS["shapes-occlusion"], 16, 3, random_generator("test", 3))
    rendered = render_video(plan)
    annotations = object_annotations(plan, rendered)
    covered = np.zeros(rendered.owners.shape, dtype=int)
    for annotation in annotations:
        for t, segmentation in enumerate(annotation["segmentations"]):
            if segmentation is None:
                continue
            assert segmentation["size"] == [96, 160]
            counts = segmentation["counts"].encode("ascii")
            mask = rle.decode({"size": segmentation["size"], "counts": counts})
            covered[t] += mask
            rows, columns = np.nonzero(mask)
            box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            assert annotation["bboxes"][t] == box
            assert annotation["areas"][t] == mask.sum() >= MIN_VISIBLE_PX
    # Masks never overlap, and leave out only what is smaller than twelve pixels.
    assert covered.max() == 1
    assert ((rendered.owners != NOBODY) & (covered == 0)).sum() < MIN_VISIBLE_PX * covered.shape[0]


def test_background_moves_and_is_neither_flat_nor_colourful() -> None:
    plan = scene(still(look("disc"), [(-90, 48)] * 8, 15.0))
    frames = render_video(plan).frames.astype(float)
    assert (frames.std(axis=(1, 2)) > 5.0).all()
    assert np.abs(frames[7] - frames[0]).mean() > 3.0
    assert (frames.max(axis=3) - frames.min(axis=3)).mean() / frames.max(axis=3).mean() < 0.3


def test_noise_and_blur_reach_the_frames() -> None:
    clean = scene(still(look("cross"), [(80, 48)] * 2, 18.0))
    noisy = VideoPlan(**{**fields(clean), "noise_sigma": 4.0, "noise_seeds": np.array([1, 2])})
    streaked = VideoPlan(**{**fields(clean), "streaks": np.array([1, -1])})
    still_frames = render_video(clean).frames.astype(float)
    difference = render_video(noisy).frames - still_frames
    assert difference.std() == pytest.approx(4.0, rel=0.1)
    across = np.square(np.diff(render_video(streaked).frames.astype(float), axis=2)).mean(axis=(1, 2, 3))
    sharp = np.square(np.diff(still_frames, axis=2)).mean(axis=(1, 2, 3))
    assert across[0] < 0.7 * sharp[0]
    assert across[1] == sharp[1]


def fields(plan: VideoPlan) -> dict[str, object]:
    return {name: getattr(plan, name) for name in VideoPlan.__dataclass_fields__}


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(SHAPE_SETS)), st.integers(0, 10_000))
def test_any_video_is_consistent(name: str, seed: int) -> None:
    plan = draw_video(SHAPE_SETS[name], 16, seed, random_generator("property", seed))
    rendered: RenderedVideo = render_video(plan)
    assert rendered.frames.shape == (16, 96, 160, 3)
    visible = visible_px(rendered.owners, len(plan.objects))
    assert (visible <= rendered.whole_px).all()
    facts = video_facts(plan, rendered)
    assert 0.0 <= facts["max_occlusion"] <= 1.0
    assert facts["objects"] == len(object_annotations(plan, rendered)) <= 6
