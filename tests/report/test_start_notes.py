"""Notes on starts and numbers of frames: what differs between rows is said, and nothing else."""

from record_samples import make_record

from vis_bench.records.rows import build_blocks
from vis_bench.report.tables.start_notes import frames_notes, start_notes

STAGE = {"name": "a@tiny", "key": "k", "data": "stills", "images": 8, "frames": 8, "seconds": 1.0}


def block(*records):
    (one,) = build_blocks(list(records))
    return one


def test_equal_rows_have_no_notes():
    rows = block(
        *(
            make_record(name, 0.2, image_stage=STAGE, frames_seen=1200, frames_with_detection_loss=1200)
            for name in ("a", "b")
        )
    )
    assert start_notes(rows) == frames_notes(rows) == []


def test_a_row_without_a_stage_beside_one_with():
    rows = block(make_record("a", 0.2, image_stage=STAGE), make_record("b", 0.2))
    assert start_notes(rows) == ["Without an image stage: b."]
    assert start_notes(block(make_record("a", 0.2), make_record("b", 0.2))) == []


def test_frames_that_differ_and_frames_without_a_detection_loss():
    rows = block(
        make_record("a", 0.2, frames_seen=1200, frames_with_detection_loss=600),
        make_record("b", 0.2, frames_seen=1000, frames_with_detection_loss=1000),
        make_record("c", 0.2),
    )
    assert frames_notes(rows) == [
        "Frames of videos trained on differ: a 1,200, b 1,000.",
        "Frames with a detection loss, where not all: a 600 of 1,200.",
    ]
