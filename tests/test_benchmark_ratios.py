"""The stored comparison of benchmarks shows ratios."""

import importlib.util
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "benchmarks"


@pytest.fixture(scope="module")
def ratios():
    spec = importlib.util.spec_from_file_location("benchmark_ratios", FOLDER / "ratios.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(**seconds):
    return {"benchmarks": [{"name": name, "stats": {"min": value}} for name, value in seconds.items()]}


def test_times_are_divided_by_the_reference_of_their_own_run(ratios):
    slow, fast = run(test_reference=0.5, test_a=1.0), run(test_reference=0.25, test_a=0.5)
    assert ratios.ratios_of(slow) == ratios.ratios_of(fast) == {"test_a": 2.0}
    with pytest.raises(ValueError, match="no test_reference"):
        ratios.ratios_of(run(test_a=1.0))


def test_what_became_slower_is_marked(ratios):
    table, slower = ratios.comparison({"a": 2.0, "b": 1.5, "new": 1.0}, {"a": 2.0, "b": 1.0, "gone": 3.0})
    assert slower == ["b"]
    rows = {line.split()[0]: line.split()[1:] for line in table.splitlines()[1:]}
    assert rows == {
        "a": ["2.000", "2.000", "1.00"],
        "b": ["1.500", "1.000", "1.50", "slower"],
        "gone": ["-", "3.000", "-"],
        "new": ["1.000", "-", "-"],
    }


def test_every_method_has_a_stored_ratio_of_both_sizes():
    from vis_bench.setup.plugins import method_names

    stored = json.loads((FOLDER / "ratios.json").read_text())["ratios"]
    for name in method_names():
        for config in ("tiny", "paper"):
            assert stored[f"test_forward[{name}-{config}]"] > 0
