"""Frames as videos of their own: video AP there is frame AP here."""

import pytest
from frames_alone import frames_alone, main
from square_videos import write_split

from vis_bench.data.catalog import open_dataset
from vis_bench.scoring.evaluate import evaluate
from vis_bench.types import Track


def test_video_ap_of_single_frames_is_frame_ap(tmp_path):
    write_split(tmp_path / "data", "val", 3, frames=4)
    whole = open_dataset(str(tmp_path / "data"), "val")
    main(str(tmp_path / "data"), "val", str(tmp_path / "alone"))
    alone = open_dataset(str(tmp_path / "alone"), "val")
    assert len(alone.videos) == len(alone.tracks) == 12
    assert alone.image_root.joinpath(alone.videos[5].file_names[0]).is_file()
    # the first object in three of its frames, the second in the place of the third, the third not at all
    first, second, third = whole.tracks
    masks = (*first.segmentations[:3], None)
    found = [
        Track(first.video_id, 0, 0.9, masks),
        Track(second.video_id, 0, 0.8, third.segmentations),
    ]
    at = {file: video.id for video in alone.videos for file in video.file_names}
    names = {video.id: video.file_names for video in whole.videos}
    single = [
        Track(at[names[track.video_id][frame]], 0, track.score, (mask,))
        for track in found
        for frame, mask in enumerate(track.segmentations)
        if mask is not None
    ]
    frame_ap = evaluate(whole, found)["frame_ap"]["AP"]
    assert 0 < frame_ap < 1
    assert evaluate(alone, single)["video_ap"]["AP"] == pytest.approx(frame_ap, abs=1e-12)
    assert frames_alone(whole).tracks[0].segmentations == (first.segmentations[0],)
