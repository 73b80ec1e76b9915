"""What the plots from predictions show, on truth and tracks whose curves are worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from plot_samples import block_of, record

from vis_bench.masks import rle
from vis_bench.metrics.slices import video_slices
from vis_bench.report.drawing.palette import identity_colour
from vis_bench.report.plots.curves import curves_figure, hota_figure, slices_figure
from vis_bench.report.plots.embedding_panels import embeddings_figure
from vis_bench.report.plots.embeddings import RunEmbeddings, VideoEmbeddings
from vis_bench.report.plots.heat import gains_figure
from vis_bench.report.plots.values import RunValues, run_values
from vis_bench.types import Category, Dataset, Rle, Track, TruthTrack, Video


def _mask(column: int, width: int) -> Rle:
    mask = np.zeros((20, 80), dtype=bool)
    mask[5:15, column : column + width] = True
    return rle.encode(mask)


def _dataset() -> Dataset:
    """One video of two frames with two objects of one category."""
    video = Video(1, "v", 80, 20, ("0.png", "1.png"))
    truth = tuple(
        TruthTrack(
            n, 1, 1, False, (_mask(column, 10),) * 2, ((float(column), 5.0, 10.0, 10.0),) * 2, (100.0,) * 2
        )
        for n, column in ((1, 0), (2, 40))
    )
    return Dataset("d", "val", (video,), (Category(1, "c"),), truth, None, "a", "s")


def _values() -> RunValues:
    """By score: the first object exactly; nothing at all; the second with 8 of its 10 columns (IoU 0.8)."""
    tracks = [
        Track(1, 1, score, (_mask(*place),) * 2)
        for score, place in ((0.9, (0, 10)), (0.8, (60, 10)), (0.7, (40, 8)))
    ]
    return run_values(_dataset(), tracks, video_slices(_dataset()))


def test_precision_recall_and_ap_by_threshold() -> None:
    """Up to IoU 0.8: precision 1 up to recall 1/2 (51 levels), then 2/3 (50 levels), AP (51 + 100 / 3) / 101.
    Above: precision 1 up to recall 1/2, then nothing, AP 51 / 101.
    """
    left, right = curves_figure(block_of(record("a", 0.4)), {0: [_values()]}).axes
    (curve,), (by_iou,) = left.get_lines(), right.get_lines()
    np.testing.assert_allclose(curve.get_xdata(), np.arange(101.0))
    np.testing.assert_allclose(curve.get_ydata(), [100.0] * 51 + [200 / 3] * 50)
    np.testing.assert_allclose(by_iou.get_xdata(), np.arange(0.5, 1.0, 0.05))
    low, high = 100 * (51 + 100 / 3) / 101, 5100 / 101
    np.testing.assert_allclose(by_iou.get_ydata(), [low] * 7 + [high] * 3)


def test_hota_falls_where_the_masks_are_worse_than_the_threshold() -> None:
    """At IoU 0.8 and below both objects are found, beside one track on nothing: DetA 2 / 3, AssA 1. Above,
    one is missed and two are on nothing: DetA 1 / 4, AssA 1. HOTA is the root of their product.
    """
    found = hota_figure(block_of(record("a", 0.4)), {0: [_values()]}).axes
    both = [line.get_ydata() for axes in found for line in axes.get_lines()]
    np.testing.assert_allclose(both[1], [200 / 3] * 16 + [25] * 3)
    np.testing.assert_allclose(both[2], 100.0)
    np.testing.assert_allclose(both[0], np.sqrt(100 * both[1]))
    np.testing.assert_allclose(found[0].get_lines()[0].get_xdata(), np.arange(0.05, 0.96, 0.05))


def test_curves_are_means_with_a_dot_per_seed() -> None:
    one = _values()
    half = replace(one, precision=one.precision / 2, ap=one.ap / 2)
    block = block_of(record("a", 0.4), record("a", 0.4, 1))
    _, right = curves_figure(block, {0: [one, half]}).axes
    mean, *dots = right.get_lines()
    np.testing.assert_allclose(mean.get_ydata(), 75 * one.ap)
    assert [line.get_marker() for line in dots] == [".", "."]
    np.testing.assert_allclose([line.get_ydata() for line in dots], [100 * one.ap, 50 * one.ap])


def test_repair_gains_are_printed_for_the_kinds_that_cost() -> None:
    """Without the track on nothing precision would be 1 up to recall 1 for seven thresholds of ten."""
    axes = gains_figure(block_of(record("a", 0.4)), {0: [_values()]}).axes[0]
    shown = dict(
        zip((t.get_text() for t in axes.get_yticklabels()), (t.get_text() for t in axes.texts), strict=True)
    )
    assert shown["background"] == f"{0.7 * 100 * (50 / 3) / 101:.1f}"
    # the three highest thresholds find the second object once its mask is right: behind the wrong track, 2/3
    assert shown["mask"] == f"{0.3 * 100 * (100 / 3) / 101:.1f}"
    assert shown["missed"] == shown["identity"] == "0.0"


def test_slices_stand_in_their_panels_and_small_ones_are_pale_on_grey() -> None:
    figure = slices_figure(block_of(record("a", 0.4)), video_slices(_dataset()), {0: [_values()]})
    size = next(axes for axes in figure.axes if axes.get_title(loc="left") == "size")
    assert [label.get_text() for label in size.get_xticklabels()] == [
        "small\n1 video", "medium\n0 videos", "large\n0 videos",
    ]  # fmt: skip
    (dot,) = (line for line in size.get_lines() if len(line.get_xdata()))
    ap = (7 * (51 + 100 / 3) + 3 * 51) / 10 / 101
    assert list(dot.get_xdata()) == [0]
    np.testing.assert_allclose(dot.get_ydata(), [100 * ap])
    assert dot.get_alpha() == 0.35
    assert len(size.patches) == 3


def test_embeddings_are_dots_in_the_colour_of_their_object() -> None:
    values = np.array([[1.0, 0], [3, 0], [-4, 0], [0, 1], [0, -1]])
    video = VideoEmbeddings(values, np.array([0, 0, 1, -1, -1]), np.array([0, 1, 0, 0, 1]))
    figure = embeddings_figure(
        block_of(record("a", 0.4), record("b", 0.3)), {1: RunEmbeddings({"v": video}, 3, 4)}
    )
    (axes,) = figure.axes
    cross, first, second = axes.get_lines()
    np.testing.assert_allclose([cross.get_xdata(), cross.get_ydata()], [[0, 0], [1, -1]], atol=1e-12)
    np.testing.assert_allclose(first.get_xdata(), [1, 3])
    np.testing.assert_allclose(second.get_xdata(), [-4])
    for number, line in enumerate((first, second)):
        np.testing.assert_allclose(line.get_color(), np.array(identity_colour(number)) / 255)
    assert [text.get_text() for text in axes.texts] == ["1", "2"]
    assert axes.get_title(loc="left") == "b, 75.0 % agree"
    assert axes.get_xlabel() == "axis 1, 93 % of the variance"  # 26 of 28
