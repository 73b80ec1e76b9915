import dataclasses

import pytest
from ytvis_files import annotation, payload, rle, square, video_record, write_frames, write_json

from vis_bench.data.stats import dataset_stats
from vis_bench.data.validate import verify
from vis_bench.data.ytvis import read_dataset


def read(tmp_path, value):
    return read_dataset(write_json(tmp_path / "gt.json", value), tmp_path / "JPEGImages", "mine", "val")


def test_counts_by_hand(tmp_path):
    two = rle(square(0, 0, 2, 2))
    value = payload(
        videos=[video_record(1, 2, "a"), video_record(2, 4, "b", width=24)],
        annotations=[
            annotation(1),
            annotation(2, category_id=7, segmentations=[two, two], areas=[128**2, 128**2 + 1]),
            annotation(3, iscrowd=1, areas=[300**2, 0]),
            # A zero area does not count: the mean over frames with an area is 128^2, still small.
            annotation(4, areas=[128**2, 0]),
        ],
    )
    stats = dataset_stats(read(tmp_path, value))
    assert (stats["videos"], stats["frames"], stats["tracks"], stats["crowd_tracks"], stats["masks"]) == (
        2,
        6,
        4,
        1,
        5,
    )
    assert stats["frames_per_video"] == {"min": 2, "median": 3.0, "mean": 3.0, "max": 4}
    assert stats["tracks_per_video"] == {"min": 0, "median": 2.0, "mean": 2.0, "max": 4}
    assert stats["masks_per_track"] == {"min": 1, "median": 1.0, "mean": 1.25, "max": 2}
    assert stats["tracks_by_area"] == {"small": 2, "medium": 1, "large": 1}
    assert stats["tracks_by_category"] == {"disc": 3, "star": 1}
    assert stats["sizes"] == {"20x12": 1, "24x12": 1}


def test_hidden_truth_has_no_object_counts(tmp_path):
    value = payload()
    del value["annotations"]
    assert "tracks" not in dataset_stats(read(tmp_path, value))


def test_a_sound_dataset_has_no_problems(tmp_path):
    value = payload()
    write_frames(tmp_path / "JPEGImages", value["videos"])
    assert verify(read(tmp_path, value), check_frames=True) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"areas": [13, None]},
            "annotation 1 (video 1): 1 masks differ from `areas`, first in frame 0: the mask has 12",
        ),
        ({"bboxes": [[5, 2, 4, 5], None]}, "warning: annotation 1 (video 1): 1 boxes differ from their mask"),
        (
            {"areas": [12, 4]},
            "warning: annotation 1 (video 1): mask, box and area do not agree on absence in 1",
        ),
        (
            {"areas": [None, None]},
            "warning: annotation 1 (video 1): mask, box and area do not agree on absence",
        ),
        (
            {"segmentations": [None, None], "bboxes": [None, None], "areas": [None, None]},
            "warning: annotation 1 (video 1): appears in no frame",
        ),
    ],
)
def test_problems_of_the_truth(tmp_path, changes, message):
    (problem,) = verify(read(tmp_path, payload(annotations=[annotation(**changes)])), check_frames=False)
    assert problem.startswith(message)


def test_a_box_within_one_pixel_is_accepted(tmp_path):
    value = payload(annotations=[annotation(bboxes=[[4.5, 2.9, 5, 2], None])])
    assert verify(read(tmp_path, value), check_frames=False) == []


def test_problems_of_the_frames(tmp_path):
    value = payload(videos=[video_record(1, 2, "a"), video_record(2, 2, "b")])
    write_frames(tmp_path / "JPEGImages", value["videos"])
    (tmp_path / "JPEGImages/a/00001.jpg").unlink()
    path = tmp_path / "JPEGImages/b/00000.jpg"
    path.write_bytes(path.read_bytes()[:-40])
    dataset = read(tmp_path, value)
    missing, damaged = verify(dataset, check_frames=True)[1:]
    assert missing.startswith("video 1, frame 1: ")
    assert "no such frame" in missing
    assert damaged.startswith("video 2, frame 0: ")
    larger = dataclasses.replace(dataset, videos=(dataclasses.replace(dataset.videos[0], height=13),))
    assert any("the annotation file says 20x13" in line for line in verify(larger, check_frames=True))


def test_an_object_that_is_there_twice(tmp_path):
    twice = [annotation(), annotation(id=9)]
    assert verify(read(tmp_path, payload(annotations=twice)), check_frames=False) == [
        "annotations 1 and 9 (video 1): the same mask and class in 1 frames, first in frame 0"
    ]


def test_frames_and_videos_that_are_there_twice(tmp_path):
    first, second = video_record(1, 2, "a"), video_record(2, 2, "a")
    second["file_names"] = [second["file_names"][0]] * 2
    problems = verify(read(tmp_path, payload(videos=[first, second])), check_frames=False)
    assert problems[0].startswith("video 2: frame a/00000.jpg is listed 2 times")
    assert problems[1].startswith("videos 1, 2 share 1 frame files")
    assert problems[2].startswith("warning: video 2 has no annotation")
