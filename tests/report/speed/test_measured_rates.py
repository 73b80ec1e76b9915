"""AP beside frames per second of `vis-bench speed`: which measurement is taken, and for which rows."""

import numpy as np
import pytest
from plot_samples import block_of
from plot_samples import record as run_record
from test_speed_table import CPU, GPU, repeat
from test_speed_table import record as timed_record

from vis_bench.records.columns import COLUMNS, FPS
from vis_bench.records.rows import build_blocks
from vis_bench.records.speed import SpeedProtocol
from vis_bench.report.plots.all_plots import write_plots
from vis_bench.report.plots.tradeoffs import fps_figure, memory_figure
from vis_bench.report.speed.rates import measured_rates, with_rates
from vis_bench.report.terminal.comparison_table import comparison_table

OFFLINE = SpeedProtocol(scenario="offline", device_kind="cpu")


def _runs(*methods):
    return block_of(*(run_record(method, 0.5 - place / 10) for place, method in enumerate(methods)))


def _offline(method, seconds):
    return timed_record(method, seconds=seconds, protocol=OFFLINE, protocol_hash=OFFLINE.content_hash())


def test_rates_are_medians_of_the_repeats_and_rows_without_one_are_named():
    rates = measured_rates(_runs("a", "b"), [timed_record("b", seconds=(4.0, 5.0, 10.0))])
    assert rates.fps == {1: 100.0}  # 500 frames in 5 s
    assert rates.missing == ("a",)
    assert rates.conditions.startswith("stream on shapes test; CPU Some CPU")


def test_all_rates_are_of_the_one_protocol_and_machine_that_timed_most_rows():
    on_gpu = [timed_record(name, hardware=GPU, seconds=(1.0,)) for name in ("a", "b")]
    rates = measured_rates(_runs("a", "b", "c"), [timed_record("c", hardware=CPU), *on_gpu])
    assert rates.fps == {0: 500.0, 1: 500.0}
    assert rates.missing == ("c",)


def test_stream_is_taken_before_offline_but_not_before_more_rows():
    stream = timed_record("a", seconds=(5.0,))
    assert measured_rates(_runs("a", "b"), [_offline("a", (1.0,)), stream]).fps == {0: 100.0}
    both = [stream, _offline("a", (1.0,)), _offline("b", (2.0,))]
    assert measured_rates(_runs("a", "b"), both).fps == {0: 500.0, 1: 250.0}


def test_other_values_another_configuration_and_failed_measurements_do_not_count():
    others = [
        timed_record("a", config_values={"queries": 7}),
        timed_record("a", config="paper"),
        timed_record("a", status="failed", repeats=()),
    ]
    for other in others:
        assert measured_rates(_runs("a"), [other]) is None
    assert measured_rates(_runs("a"), []) is None


def test_how_long_a_method_was_trained_changes_no_rate():
    trained = {"queries": 5, "train": {"iterations": 7, "optimizer": "sgd"}}
    longer = {"queries": 5, "train": {"iterations": 9, "optimizer": "sgd"}}
    block = block_of({**run_record("a", 0.5), "config_values": trained})
    assert measured_rates(block, [timed_record("a", config_values=longer, seconds=(5.0,))]).fps == {0: 100.0}


def test_the_plot_has_every_seed_at_the_measured_rate():
    block = block_of(run_record("a", 0.4), run_record("a", 0.5, 1, seconds=4.8), run_record("b", 0.3))
    rates = measured_rates(block, [timed_record("a", seconds=(5.0,))])
    axes = fps_figure(block, rates).axes[0]
    dots, mean = axes.get_lines()
    assert (list(dots.get_xdata()), np.round(dots.get_ydata(), 6).tolist()) == ([100.0, 100.0], [40.0, 50.0])
    assert list(mean.get_xdata()) == [100.0]
    assert [text.get_text() for text in axes.texts] == ["a"]
    assert axes.get_xlabel() == "frames per second: end to end"


def test_memory_is_the_largest_peak_of_the_rows_that_have_one():
    block = _runs("a", "b")
    larger = repeat(5.0).model_copy(update={"memory": {"kind": "process RSS", "peak_bytes": 400_000_000}})
    none = repeat(5.0).model_copy(update={"memory": {}})
    timed = [timed_record("a", repeats=(repeat(5.0), larger)), timed_record("b", repeats=(none,))]
    rates = measured_rates(block, timed)
    assert (rates.megabytes, rates.memory) == ({0: 400.0}, "process RSS")
    axes = memory_figure(block, rates).axes[0]
    (mean,) = axes.get_lines()
    assert (list(mean.get_xdata()), [text.get_text() for text in axes.texts]) == ([400.0], ["a"])
    assert axes.get_xlabel() == "peak memory in MB (process RSS)"
    assert memory_figure(block, measured_rates(block, timed[1:])) is None


def test_the_report_has_memory_where_it_was_measured(tmp_path):
    block = _runs("a")
    written = write_plots(tmp_path, 1, block, None, rates=measured_rates(block, [timed_record("a")]))
    assert "1-memory.png" in [plot.path.name for plot in written.plots]
    assert "1-memory.png" not in [plot.path.name for plot in write_plots(tmp_path, 1, block, None).plots]


def test_the_text_says_how_the_rates_were_measured_and_what_is_missing(tmp_path):
    block = _runs("a", "b")
    rates = measured_rates(block, [timed_record("a")])
    texts = {plot.title: plot.about for plot in write_plots(tmp_path, 1, block, None, rates=rates).plots}
    about = texts["AP and frames per second"]
    assert "by vis-bench speed" in about
    assert "stream on shapes test; CPU Some CPU" in about
    assert about.endswith("Not measured: b.")
    plain = {plot.title: plot.about for plot in write_plots(tmp_path, 1, block, None).plots}
    assert "not a speed measurement" in plain["AP and frames per second"]


def test_rows_that_were_timed_have_a_column_of_it():
    records = [run_record("a", 0.5), run_record("b", 0.4)]
    joined = with_rates(records, [timed_record("b", seconds=(4.0, 5.0, 10.0))])
    table = comparison_table(joined, ("AP", "FPS"))
    rows = {line.split()[0]: line.split()[1:] for line in table.splitlines() if line[:2] in ("a ", "b ")}
    assert rows == {"a": ["50.0", "-"], "b": ["40.0", "100.0"]}
    assert "vis-bench speed" in table
    # records are left as they are
    assert with_rates(records, []) == records
    assert "FPS" not in comparison_table(records, ("AP", "IDF1"))


def test_seeds_of_a_row_share_one_time_that_has_no_spread():
    records = [run_record("b", ap, seed=seed) for seed, ap in enumerate((0.4, 0.6))]
    joined = with_rates(records, [timed_record("b", seconds=(4.0, 5.0, 10.0))])
    (row,) = build_blocks(joined, {})[0].rows
    assert (row.cell(FPS).mean, row.cell(FPS).sd) == (100.0, None)
    assert row.cell(COLUMNS["AP"]).sd == pytest.approx(0.1 * 2**0.5)
