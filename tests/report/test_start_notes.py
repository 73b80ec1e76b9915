"""Notes on starts and numbers of frames: what differs between rows is said, and nothing else."""

from record_samples import make_record

from vis_bench.records.rows import build_blocks
from vis_bench.report.tables.start_notes import frames_notes, start_notes
from vis_bench.setup.protocol import ImageRules, Protocol

STAGE = {"name": "a@tiny", "key": "k", "data": "stills", "images": 8, "frames": 8, "seconds": 1.0}


STAGED = Protocol(name="shapes", about="", config="tiny", image_stage=ImageRules(images=8))
PLAIN = STAGED.model_copy(update={"image_stage": None})


def block(*records, protocol=STAGED):
    name = (records[0]["protocol"], records[0]["protocol_hash"])
    (one,) = build_blocks(list(records), {name: protocol})
    return one


def test_equal_rows_have_no_notes():
    rows = block(
        *(
            make_record(name, 0.2, image_stage=STAGE, frames_seen=1200, frames_with_detection_loss=1200)
            for name in ("a", "b")
        )
    )
    assert start_notes(rows) == frames_notes(rows) == []


def test_rows_that_started_from_no_whole_model_under_a_protocol_with_an_image_stage():
    start = {"sha256": "0", "source": "file", "loaded": 1, "of": 1, "missing": []}
    records = [
        make_record("a", 0.4, image_stage=STAGE),
        make_record("b", 0.3),
        make_record("c", 0.2, start=start),
        make_record("d", 0.1),
    ]
    assert start_notes(block(*records)) == ["Without an image stage: b, d."]
    assert start_notes(block(*records, protocol=PLAIN)) == []


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
