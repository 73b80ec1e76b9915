"""Columns of the terminal summary stay apart, however bad a number is."""

from vis_bench.report.summary import _grid


def test_a_very_negative_mota_does_not_touch_its_neighbour() -> None:
    lines = _grid("MOT", ("IDR", "MOTA", "IDs"), {"all": {"IDR": 0.682, "MOTA": -1.5604, "IDs": 12345}})
    assert lines[1].split() == ["all", "68.2", "-156", "12345"]
    assert _grid("MOT", ("MOTA",), {"all": {"MOTA": -0.9951}})[1].split() == ["all", "-99.5"]
