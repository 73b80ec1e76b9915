"""Still images: cached one-frame videos with masks, full of look-alikes that touch; the same each time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from vis_bench.data.frames import load_video_frame
from vis_bench.data.shapes import CLASS_NAMES, stills
from vis_bench.data.shapes.render import RenderedVideo, render_video
from vis_bench.data.shapes.scenario import ObjectPlan, VideoPlan
from vis_bench.data.shapes.stills import draw_still, touching_pair
from vis_bench.data.stills import stills_dataset
from vis_bench.data.validate import verify
from vis_bench.errors import DataError, UsageError
from vis_bench.files import read_json
from vis_bench.masks import rle
from vis_bench.types import Dataset

# of stills_dataset(5, 24): changes with whatever changes an image of the set, with STILLS_VERSION at once
ANNOTATION_HASH = "492474a8fa3c99a4a725eee90eaf505184f69943d72557e582fd9aac90a52531"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def dataset(cache: Path) -> Dataset:
    return stills_dataset(5, 24, cache, progress=False)


def content(dataset: Dataset) -> Mapping[str, Any]:
    assert dataset.image_root is not None
    return read_json(dataset.image_root.parent / "instances_train.json")


def test_one_frame_videos_with_masks_of_the_same_classes(dataset: Dataset) -> None:
    assert len(dataset.videos) == 24
    assert {video.length for video in dataset.videos} == {1}
    assert tuple(category.name for category in dataset.categories) == CLASS_NAMES
    assert verify(dataset, check_frames=True) == []
    for video in dataset.videos:
        frame = load_video_frame(dataset, video, 0)
        assert frame.shape == (video.height, video.width, 3) == (96, 160, 3)
        assert dataset.tracks_by_video[video.id]
    assert [entry["facts"]["objects"] for entry in content(dataset)["videos"]] == [
        len(dataset.tracks_by_video[video.id]) for video in dataset.videos
    ]


def test_the_content_is_pinned(dataset: Dataset) -> None:
    assert dataset.annotation_hash == ANNOTATION_HASH


def test_a_second_call_reads_the_first_ones_folder(
    cache: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stills, "write_each", None)
    assert stills_dataset(5, 24, cache, progress=False) == dataset


def test_an_image_depends_on_seed_and_position_only(cache: Path, dataset: Dataset) -> None:
    more, other = (stills_dataset(seed, 26, cache, progress=False) for seed in (5, 6))
    for video, longer, changed in zip(dataset.videos, more.videos, other.videos, strict=False):
        frame = load_video_frame(dataset, video, 0)
        assert np.array_equal(frame, load_video_frame(more, longer, 0))
        assert not np.array_equal(frame, load_video_frame(other, changed, 0))


def test_another_share_of_look_alikes_is_another_set(cache: Path, dataset: Dataset) -> None:
    shares = {
        share: np.mean(
            [
                entry["facts"]["alike_pair"]
                for entry in content(stills_dataset(5, 24, cache, share, progress=False))["videos"]
            ]
        )
        for share in (0.0, 0.8)
    }
    assert shares[0.0] == 0.0
    assert shares[0.8] == pytest.approx(0.8, abs=2 / 24)


def seen_masks(video: VideoPlan, rendered: RenderedVideo) -> list[tuple[ObjectPlan, np.ndarray]]:
    owners = rendered.owners[0]
    return [(item, owners == i) for i, item in enumerate(video.objects) if (owners == i).sum() >= 12]


def nearest_px(one: np.ndarray, other: np.ndarray) -> float:
    return float(cdist(np.argwhere(one), np.argwhere(other)).min())


@pytest.mark.parametrize("seed", [20260101, 1])
def test_half_the_images_have_look_alikes_and_half_of_those_touch(seed: int) -> None:
    alike, near = 0, 0
    classes = set()
    for index in range(60):
        plan = draw_still(seed, index)
        seen = seen_masks(plan, rendered := render_video(plan))
        pairs = [
            nearest_px(mask, other)
            for i, (item, mask) in enumerate(seen)
            for twin, other in seen[i + 1 :]
            if item.look.label == twin.look.label
            and item.look.texture == twin.look.texture
            and np.array_equal(item.look.colours, twin.look.colours)
        ]
        alike += bool(pairs)
        near += any(distance <= 4.0 for distance in pairs)
        assert touching_pair(plan, rendered) == any(distance <= 4.0 for distance in pairs)
        classes |= {item.look.label for item in plan.objects}
    assert alike >= 30
    assert near >= alike / 2
    assert near < alike  # the others stand apart
    assert classes == set(range(len(CLASS_NAMES)))


def test_the_facts_in_the_file_are_those_of_the_drawn_images(dataset: Dataset) -> None:
    for index, (entry, video) in enumerate(zip(content(dataset)["videos"], dataset.videos, strict=True)):
        plan = draw_still(5, index)
        rendered = render_video(plan)
        assert entry["facts"]["touching_pair"] == touching_pair(plan, rendered)
        tracks = dataset.tracks_by_video[video.id]
        seen = seen_masks(plan, rendered)
        assert len(seen) == len(tracks)
        for (item, mask), track in zip(seen, tracks, strict=True):
            assert track.category_id == item.look.label + 1
            assert track.segmentations[0] is not None
            assert np.array_equal(rle.decode(track.segmentations[0]), mask)


def test_numbers_out_of_range_are_refused(tmp_path: Path) -> None:
    for seed, images, share in ((-1, 1, 0.5), (0, 0, 0.5), (0, 1, 1.5)):
        with pytest.raises(UsageError, match="Stills need"):
            stills_dataset(seed, images, tmp_path, share)


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written.*another cache folder"):
        stills_dataset(0, 1, tmp_path / "file", progress=False)
