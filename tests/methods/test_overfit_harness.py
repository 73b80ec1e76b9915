"""The harness of the one-clip tests: its video, its ceiling, its limits, and what it calls a failure."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from overfit import MAX_ITERATIONS, Overfit, assert_overfit, ceiling_ap, one_video, overfit, shortened

from methods.inspro_lite.config import TINY


def test_the_video_shows_two_objects_of_one_class_and_another_in_every_frame(tmp_path: Path) -> None:
    dataset = one_video(tmp_path, frames=5)
    (video,) = dataset.videos
    assert video.length == 5
    tracks = dataset.tracks_by_video[video.id]
    assert sorted(track.category_id for track in tracks) == [1, 3, 3]
    assert all(area is not None and area > 400 for track in tracks for area in track.areas)


def test_the_ceiling_is_what_the_encoding_leaves_of_the_truth(tmp_path: Path) -> None:
    dataset = one_video(tmp_path, frames=2)
    assert ceiling_ap(dataset, lambda masks: masks) == pytest.approx(1.0)
    assert ceiling_ap(dataset, torch.zeros_like) == 0.0
    (disc,) = [n for n, track in enumerate(dataset.tracks or ()) if track.category_id == 1]
    others = torch.arange(3) != disc
    # one of the two classes is lost
    assert ceiling_ap(dataset, lambda masks: masks & others[None, :, None, None]) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="decoded masks"):
        ceiling_ap(dataset, lambda masks: masks.float())


def test_phases_share_the_iterations_in_their_proportion_and_lose_their_augmentation() -> None:
    first, second = shortened((TINY.train, *TINY.later_training), 90)
    # 700 and 200 in the configuration
    assert (first.iterations, second.iterations) == (70, 20)
    assert (first.augmentation.flip, second.augmentation.flip) == (0.0, 0.0)
    (alone,) = shortened([TINY.train], 300)
    assert alone == dataclasses.replace(TINY.train, iterations=300, augmentation=first.augmentation)


def test_more_iterations_than_allowed_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="301 iterations"):
        overfit("stc", tmp_path, iterations=MAX_ITERATIONS + 1)


@pytest.mark.parametrize(
    ("ap50", "ap", "ceiling", "good"),
    [(0.95, 0.68, 0.8, True), (0.94, 0.8, 0.8, False), (1.0, 0.67, 0.8, False), (1.0, 0.4, 0.4, False)],
)
def test_the_limits(tmp_path: Path, ap50: float, ap: float, ceiling: float, good: bool) -> None:
    dataset = one_video(tmp_path, frames=1)
    outcome = Overfit("toy", dataset, ap50, ap, (), ({"loss": 2.0}, {"loss": 1.0}), 3.0)
    if good:
        assert_overfit(outcome, ceiling)
        return
    with pytest.raises(AssertionError, match="toy: AP50"):
        assert_overfit(outcome, ceiling)
