"""Columns of the terminal summary stay apart, however bad a number is."""

from vis_bench.metrics.prediction_facts import PredictionFacts
from vis_bench.report.terminal.summary import _grid, evaluation_summary
from vis_bench.types import Category, Dataset


def test_a_very_negative_mota_does_not_touch_its_neighbour() -> None:
    lines = _grid("MOT", ("IDR", "MOTA", "IDs"), [("all", {"IDR": 0.682, "MOTA": -1.5604, "IDs": 12345})])
    assert lines[1].split() == ["all", "68.2", "-156", "12345"]
    assert _grid("MOT", ("MOTA",), [("all", {"MOTA": -0.9951})])[1].split() == ["all", "-99.5"]


def test_no_category_takes_the_line_of_another() -> None:
    """One is called like the overall row, two are alike in the 19 letters that are shown."""
    long = "a category with a long name"
    scores = {"all": 0.1, f"{long} 1": 0.2, f"{long} 2": 0.3}
    categories = tuple(Category(i, name) for i, name in enumerate(scores))
    dataset = Dataset("mine", "val", (), categories, (), None, "a", "s")
    result = {"video_ap": {"AP": 0.2}, "per_category": {name: {"AP": ap} for name, ap in scores.items()}}
    found = PredictionFacts(3, 0, 0.1, 0.9, {0: 1, 1: 1, 2: 1})
    lines = evaluation_summary(result, dataset, found).splitlines()
    shown = [line.split("  ")[0] for line in lines]
    numbers = [line.split()[-6] for line in lines[3:7]]
    assert shown[3:7] == ["all", "all", "a category with a l…", "a category with a l…"]
    assert numbers == ["20.0", "10.0", "20.0", "30.0"]


def test_a_long_column_name_does_not_touch_its_neighbour() -> None:
    lines = _grid("MOT", ("MOTA", "recall", "IDs"), [("all", {"MOTA": 0.5, "recall": 0.25, "IDs": 3})])
    assert [line.split() for line in lines[:2]] == [
        ["MOT", "MOTA", "recall", "IDs"],
        ["all", "50.0", "25.0", "3"],
    ]
