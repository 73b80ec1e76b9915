"""`vis-bench methods ls`: what is installed, and every name that --methods takes."""

from vis_bench.engine.description import described_configs
from vis_bench.setup.config import choose_config
from vis_bench.setup.plugins import load_spec, method_names, split_variant


def test_one_line_per_method_names_its_paradigm(vis_bench):
    code, out, _ = vis_bench("methods", "ls")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == method_names()
    (stc,) = [line for line in lines if line.startswith("stc ")]
    assert "tracking by detection" in stc
    assert "online" in stc
    assert all(len(line) <= 80 for line in lines)


def test_all_lists_every_name_that_can_be_run_and_what_it_changes(vis_bench):
    code, out, _ = vis_bench("methods", "ls", "--all")
    assert code == 0
    listed = dict(line.split(maxsplit=1) for line in out.splitlines())
    expected = [
        f"{name}@{config}"
        for name in method_names()
        for config in (*load_spec(name).configs, *load_spec(name).variants)
    ]
    assert list(listed) == expected
    assert listed["stc@paper"] == "23,000 iterations of 16 clips"
    assert listed["stc@no-consistency"] == "loss.consistency=False"
    assert listed["stc@baseline"] == "loss.tracking=classification, 2 more"
    assert listed["stc@consistency-only"] == "loss.tracking=classification, 1 more"
    assert listed["inspro@T18"] == "bank_length=18, as in paper"
    for name in listed:
        method, variant = split_variant(name)
        choose_config(load_spec(method), variant, "tiny")


def test_the_list_fits_a_terminal(vis_bench):
    _, out, _ = vis_bench("methods", "ls", "--all")
    assert [line for line in out.splitlines() if len(line) > 80] == []


def test_phases_are_listed_one_by_one():
    rows = dict(described_configs(load_spec("inspro_lite")))
    assert rows["paper"] == "32,000 + 16,000 iterations of 8 clips"
