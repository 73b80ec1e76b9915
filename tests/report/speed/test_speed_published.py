"""Measured speed beside published speed, and the report that is made from records alone."""

from pathlib import Path

import pytest

from vis_bench.records.run import DataIdentity
from vis_bench.records.speed import (
    CurvePoint,
    CurveRecord,
    Repeat,
    SpeedProtocol,
    SpeedRecord,
    write_speed,
)
from vis_bench.report.papers.published import published_library
from vis_bench.report.speed.curve_table import curve_markdown
from vis_bench.report.speed.published import compare_speed, published_lines, published_markdown

DATA = DataIdentity(name="shapes", split="test", annotation_hash="a", split_hash="s", videos=60)
PROTOCOL = SpeedProtocol(scenario="stream", device_kind="cpu")
SHARED = {
    "vis_bench_version": "0", "title": "t", "online": True, "data": DATA, "protocol": PROTOCOL,
    "protocol_hash": PROTOCOL.content_hash(), "weights": "random", "hardware": {"cpu": "Some CPU"},
}  # fmt: skip


def record(method, fps, config="paper", macs=None, **changes):
    """500 frames at so many per second."""
    repeat = Repeat(
        end_to_end_seconds=500 / fps, model_only_seconds=1.0, with_decoding_seconds=1.0, harness_seconds=0.0,
        latency_ms=None, model_latency_ms=None, look_ahead_frames=0, memory={"peak_bytes": 1},
    )  # fmt: skip
    values = {
        **SHARED, "method": method, "config": config, "paradigm": "p", "config_values": {}, "status": "done",
        "frames": 500, "videos": 60, "repeats": (repeat,), "macs_per_frame": macs,
    }  # fmt: skip
    return SpeedRecord(**{**values, **changes})


def key_intervals(*rates):
    names = ("paper+K1", "paper+K5", "paper", "paper+K15")
    return [record("inspro_lite", fps, name) for name, fps in zip(names, rates, strict=True)]


def test_rows_of_a_table_are_compared_with_the_first():
    (table,) = compare_speed(key_intervals(10, 16, 15, 20), published_library())
    assert (table.about, table.quantity) == ("InsPro, Table 3", "FPS")
    assert [(pair.published, pair.measured) for pair in table.pairs] == [
        (26.3, 10.0), (41.8, pytest.approx(16)), (45.7, pytest.approx(15)), (49.1, 20.0),
    ]  # fmt: skip
    # K = 5 is faster than K = 10 here, so five of the six pairs agree
    assert table.same_order() == (5, 6)
    page = published_markdown(key_intervals(10, 16, 15, 20), published_library())
    assert r"| InsPro-lite K=5 | inspro\_lite@paper+K5 | 41.8 | 1.59 | 16.00 | 1.60 |" in page
    (line,) = published_lines(key_intervals(10, 16, 15, 20), published_library())
    assert "inspro_lite@paper+K15 1.87 (here 2.00). Same order: 5 of 6 pairs." in line


def test_all_methods_are_in_one_order_the_fastest_of_the_papers_first():
    records = [record("stc", 30), record("inspro_tbd", 20), record("inspro", 40), record("ifr", 99)]
    everything = compare_speed(records, published_library())[-1]
    assert everything.about == "all methods"
    # 40.3, 26.3 and 25.4 in the papers; IFR prints none
    assert [pair.record.method for pair in everything.pairs] == ["stc", "inspro", "inspro_tbd"]
    assert everything.same_order() == (2, 3)


def test_multiply_adds_are_compared_too():
    records = [record("inspro_tbd", 20, macs=50_000_000_000), record("inspro", 20, "paper+C", 46_000_000_000)]
    (macs,) = [c for c in compare_speed(records, published_library()) if c.quantity == "GMACs"]
    assert [(pair.published, pair.measured) for pair in macs.pairs] == [(48.3, 50.0), (45.5, 46.0)]
    assert macs.same_order() == (1, 1)


def test_what_is_not_comparable_is_not_compared():
    one, two = key_intervals(10, 16, 15, 20)[:2]
    library = published_library()
    assert compare_speed([one], library) == []
    assert compare_speed([one, two.model_copy(update={"config": "tiny+K5"})], library) == []
    assert compare_speed([one, two.model_copy(update={"status": "failed"})], library) == []
    elsewhere = two.model_copy(update={"hardware": {"cpu": "Another CPU"}})
    assert published_markdown([one, elsewhere], library) == ""
    assert "InsPro, Table 3" in published_markdown([one, two], library)


def curve(**changes):
    points = tuple(
        CurvePoint(
            value=value, frames=value, seconds_per_frame=seconds, cpu_seconds_per_frame=0.01,
            memory={"peak_bytes": peak}, tracks_per_frame=1.0,
        )
        for value, seconds, peak in ((30, 0.03, 90e6), (100, 0.02, 100e6), (1000, 0.03, 104e6))
    )  # fmt: skip
    return CurveRecord(
        **{**SHARED, "method": "stc", "config": "tiny", "curve": "length", "points": points, **changes}
    )


def test_growth_is_counted_from_a_hundred_frames_on():
    rows = {line.split(" | ")[1]: line for line in curve_markdown([curve()]).splitlines() if "stc" in line}
    assert rows["ms"].endswith("| 30.0 | 20.0 | 30.0 | +50.0 % |")
    assert rows["CPU ms"].endswith("| 10.0 | 10.0 | 10.0 | +0.0 % |")
    assert rows["MB"].endswith("| 90 | 100 | 104 | +4.0 % |")


def test_a_report_is_made_from_records_alone(vis_bench, tmp_path: Path):
    for number, one in enumerate(key_intervals(10, 16, 15, 20)):
        write_speed(tmp_path / f"results/{number}/stream.speed.json", one)
    write_speed(tmp_path / "results/0/length.curve.json", curve())
    code, out, _ = vis_bench("report", tmp_path / "results", "--out", tmp_path / "report")
    assert code == 0
    assert "inspro_lite@paper+K5" in out
    assert "by frames of the video" in out
    page = (tmp_path / "report/speed.md").read_text()
    assert "InsPro, Table 3, FPS:" in page
    assert "+4.0 %" in (tmp_path / "report/curve-length.md").read_text()
    assert (tmp_path / "report/curve-length.png").read_bytes().startswith(b"\x89PNG")
    assert len((tmp_path / "report/speed.csv").read_text().splitlines()) == 5


def test_a_folder_without_any_record_is_an_error(vis_bench, tmp_path: Path):
    code, _, err = vis_bench("report", tmp_path, "--out", tmp_path / "report")
    assert code == 3
    assert "no record.json and no record of speed under" in err
