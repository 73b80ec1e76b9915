"""Tables of speed: who may share one, what is in it, and how wide it gets."""

import csv
import io

import pytest

from vis_bench.records.run import DataIdentity
from vis_bench.records.speed import (
    Audit,
    CurvePoint,
    CurveRecord,
    Percentiles,
    Repeat,
    SpeedProtocol,
    SpeedRecord,
    Stages,
    read_speed,
    write_speed,
)
from vis_bench.report.speed.curve_table import curve_csv, curve_table
from vis_bench.report.speed.curves import curve_figure
from vis_bench.report.speed.table import blocks, speed_csv, speed_markdown, speed_table

DATA = DataIdentity(name="shapes", split="test", annotation_hash="a", split_hash="s", videos=60)
CPU = {"device": "cpu", "cpu": "Some CPU", "cores": 2}
GPU = {"device": "cuda", "cpu": "Some CPU", "cores": 2, "gpu": "Some GPU"}


def repeat(seconds, p50=4.0):
    return Repeat(
        end_to_end_seconds=seconds,
        model_only_seconds=seconds / 2,
        with_decoding_seconds=seconds * 2,
        harness_seconds=seconds / 50,
        latency_ms=Percentiles(p50=p50, p90=2 * p50),
        model_latency_ms=None,
        look_ahead_frames=0,
        memory={"kind": "process RSS", "peak_bytes": 300_000_000},
    )


def record(method="stc", hardware=CPU, seconds=(4.0, 5.0, 6.0), **changes):
    protocol = SpeedProtocol(scenario="stream", device_kind=hardware["device"])
    values = {
        "vis_bench_version": "0", "method": method, "config": "tiny", "title": method, "paradigm": "p",
        "online": True, "config_values": {}, "data": DATA, "protocol": protocol,
        "protocol_hash": protocol.content_hash(), "weights": "random", "status": "done", "frames": 500,
        "videos": 60, "repeats": tuple(map(repeat, seconds)), "tracks_per_frame": 2.5,
        "stages": Stages(
            seconds={"backbone": 6.0, "heads": 3.0}, unaccounted_seconds=1.0, wall_seconds=10.0,
            explained=0.9, flagged=True,
        ),
        "audits": (Audit(name="same", ok=True, detail=""),),
        "parameters": {"total": 1_500_000, "trainable": 1_000_000}, "macs_per_frame": 2_500_000_000,
        "hardware": hardware,
    }  # fmt: skip
    return SpeedRecord(**{**values, **changes})


def test_cpu_and_gpu_never_share_a_table():
    found = blocks([record("a"), record("b", GPU), record("c")])
    assert [[r.method for r in block] for block in found] == [["a", "c"], ["b"]]


def test_another_machine_protocol_or_data_is_another_table():
    other_data = DATA.model_copy(update={"annotation_hash": "b"})
    other_protocol = SpeedProtocol(scenario="stream", device_kind="cpu", threads=2)
    records = [
        record(),
        record(hardware={**CPU, "cpu": "Another CPU"}),
        record(data=other_data),
        record(protocol=other_protocol, protocol_hash=other_protocol.content_hash()),
    ]
    assert len(blocks(records)) == 4


def test_a_failed_method_stays_with_the_others():
    failed = record("b", status="failed", error="it broke", repeats=(), stages=None, audits=(), hardware=CPU)
    failed = failed.model_copy(update={"hardware": {}, "frames": 0})
    assert [[r.method for r in block] for block in blocks([failed, record("a")])] == [["a", "b"]]
    assert "b@tiny: failed: it broke" in speed_table([failed, record("a")])


def test_numbers_are_medians_of_the_repeats():
    lines = speed_table([record()]).splitlines()
    head = next(line for line in lines if line.startswith("method") and "FPS" in line).split()
    row = next(line for line in lines if line.startswith("stc@tiny")).split()
    cells = dict(zip(head, row, strict=True))
    # 500 frames in 4, 5 and 6 s; half the range of 125 and 83.3 is 20.8 % of 100
    assert cells == {
        "method": "stc@tiny", "FPS": "100.0", "±%": "20.8", "p50": "4.0", "p90": "8.0", "p99": "-",
        "model": "200.0", "+dec": "50.0", "ahead": "0", "MB": "300",
    }  # fmt: skip
    shares = next(line for line in lines if line.startswith("stc@tiny") and line.endswith("*")).split()
    assert (shares[4], shares[5], shares[-1]) == ("60.0", "30.0", "10.0*")


@pytest.mark.parametrize("length", [3, 60])
def test_no_line_is_wider_than_a_terminal(length):
    records = [record("m" * length), record("n" * length, seconds=(4e3, 5e3, 6e-3), notes=("word " * 60,))]
    for line in speed_table(records).splitlines():
        assert len(line) <= 80, line


FOREIGN = {"foreign": True, "foreign_code": "detectron2 0.6 with MinVIS", "licence": "NC"}


@pytest.mark.parametrize("method", ["detectron2:vis", "detectron2:" + "v" * 60])
def test_rows_of_foreign_code_are_marked(method):
    records = [record("stc"), record(method, **FOREIGN)]
    text = speed_table(records)
    named = [line for line in text.splitlines() if line.startswith(("stc@tiny", "detectron2:"))]
    # speed, size and stages of both
    assert len(named) == 6
    assert [" † " in line for line in named] == [line.startswith("detectron2:") for line in named]
    assert all(len(line) <= 80 for line in text.splitlines())
    said = f"† {method}@tiny: foreign code (detectron2 0.6 with MinVIS; licence: NC)"
    assert said in " ".join(text.split())
    assert said in speed_markdown(records).replace("\\", "")
    rows = list(csv.DictReader(io.StringIO(speed_csv(records))))
    assert [row["foreign"] for row in rows] == ["False", "True"]
    assert "†" not in speed_table([record("stc")])
    assert "foreign" not in next(csv.reader(io.StringIO(speed_csv([record("stc")]))))


def on_gpu(frames, seconds, watts, **changes):
    """One repeat of `frames` in `seconds`, under the limits of a GPU."""
    protocol = SpeedProtocol(
        scenario="stream", device_kind="cuda", frames=2000, seconds=60.0, warm_up_seconds=10.0
    )
    memory = {"kind": "CUDA allocated", "peak_bytes": 2_000_000_000, "host_peak_bytes": 3_000_000_000}
    samples = {"samples": 3, "power_watts": [100.0, watts, 700.0]}
    timed = [
        repeat(one).model_copy(update={"frames": number, "memory": memory, "gpu_samples": samples})
        for number, one in zip(frames, seconds, strict=True)
    ]
    return record(
        hardware={**GPU, "power_limit_watts": 700.0, "mig": "off"}, protocol=protocol, frames=min(frames),
        protocol_hash=protocol.content_hash(), repeats=tuple(timed), **changes,
    )  # fmt: skip


def cells_of(text, head_word):
    lines = text.splitlines()
    place = next(n for n, line in enumerate(lines) if line.startswith("method") and head_word in line)
    return dict(zip(lines[place].split(), lines[place + 2].split(), strict=True))


def test_a_repeat_that_time_ended_counts_its_own_frames():
    text = speed_table([on_gpu((600, 1200, 900), (60.0, 60.0, 60.0), 350.0)])
    # 10, 20 and 15 frames per second; half of 10 is 33.3 % of 15
    cells = cells_of(text, "FPS")
    assert (cells["FPS"], cells["±%"], cells["MB"]) == ("15.0", "33.3", "2000")
    assert "2000 frames or 60 s x 3" in " ".join(text.split())
    assert "Some GPU at 700 W" in text


def test_power_and_memory_of_the_host_are_columns_of_gpus_only():
    gpu = on_gpu((600,), (60.0,), 350.4)
    text = speed_table([gpu]).replace("host MB", "host_MB").replace("params M", "params")
    cells = cells_of(text.replace("trained M", "trained").replace("CPU ms", "CPU_ms"), "GMACs")
    assert (cells["host_MB"], cells["W"]) == ("3000", "350")
    assert "page-locked" in text
    for text in (speed_table([record()]), speed_markdown([record()])):
        assert "host MB" not in text
        assert "page-locked" not in text
    new = {"host MB", "W", "seconds", "warm_up_seconds", "warm_up_frames", "pinned", "end_to_end_only"}
    assert not new & set(next(csv.reader(io.StringIO(speed_csv([record()])))))
    assert {"host MB", "W", "seconds"} <= set(next(csv.reader(io.StringIO(speed_csv([gpu])))))


def test_a_lower_power_limit_is_another_machine():
    gpu = on_gpu((600,), (60.0,), 350.0)
    lower = gpu.model_copy(update={"hardware": {**gpu.hardware, "power_limit_watts": 500.0}})
    part = gpu.model_copy(update={"hardware": {**gpu.hardware, "mig": "on"}})
    assert len(blocks([gpu, lower, part, gpu])) == 3


def test_a_failed_audit_is_said_everywhere():
    wrong = record(audits=(Audit(name="same", ok=False, detail="2 of 3 videos differ"),))
    for text in (speed_table([wrong]), speed_markdown([wrong])):
        assert "AUDIT FAILED: same: 2 of 3 videos differ" in text
        assert "Audits passed" not in text
    assert "Audits passed: same." in speed_table([record()])
    (row,) = csv.DictReader(io.StringIO(speed_csv([wrong])))
    assert (row["audit: same"], float(row["FPS"])) == ("False", 100.0)


def test_a_record_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "stream.speed.json"
    write_speed(path, record())
    assert read_speed(path) == record()


def curve(method, values):
    protocol = SpeedProtocol(scenario="stream", device_kind="cpu")
    points = tuple(
        CurvePoint(
            value=value, frames=value, seconds_per_frame=value / 1e4,
            memory={"peak_bytes": value * 1_000_000}, tracks_per_frame=1.0,
        )
        for value in values
    )  # fmt: skip
    return CurveRecord(
        vis_bench_version="0", method=method, config="tiny", title=method, online=True, data=DATA,
        protocol=protocol, protocol_hash=protocol.content_hash(), weights="random", curve="length",
        points=points, hardware=CPU, failed={"1000": "out of memory"} if 1000 not in values else {},
    )  # fmt: skip


def test_curves_are_drawn_with_a_legend_that_hides_no_line():
    """Point v of `curve` takes v / 1e4 s a frame and v MB."""
    figure = curve_figure([curve("b_$x$", (300, 30)), curve("a", (30, 100, 1000))])
    times, memory = figure.axes
    drawn = [[tuple(map(float, xy)) for xy in line.get_xydata()] for line in times.get_lines()]
    assert drawn == [[(30, 3), (300, 30)], [(30, 3), (100, 10), (1000, 100)]]
    assert [list(line.get_ydata()) for line in memory.get_lines()] == [[30, 300], [30, 100, 1000]]
    assert times.get_legend() is None
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [r"b_\$x\$@tiny", "a@tiny"]


def test_curves_share_their_values():
    text = curve_table([curve("a", (30, 100, 1000)), curve("b", (30, 100))])
    lines = text.splitlines()
    assert lines[[line.startswith("a@tiny") for line in lines].index(True)].split() == [
        "a@tiny",
        "3.0",
        "10.0",
        "100.0",
    ]
    assert lines[[line.startswith("b@tiny") for line in lines].index(True)].split() == [
        "b@tiny",
        "3.0",
        "10.0",
        "-",
    ]
    assert "b@tiny at 1000: failed: out of memory" in text
    assert max(map(len, lines)) <= 80
    assert len(curve_csv([curve("a", (30, 100))]).splitlines()) == 3
