"""A run under a protocol of one's own leaves it for reports, whatever becomes of the file."""

from pathlib import Path

from vis_bench.records.protocols import PROTOCOL_NAME

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"


def test_a_report_of_a_run_knows_the_file_that_has_gone(vis_bench, squares, protocol, tmp_path):
    runs = tmp_path / "runs"
    code, _, err = vis_bench(
        "run", "--methods", TOY, "-d", squares, "--protocol", protocol, "--out", runs, "--jobs", 1
    )
    assert code == 0, err
    protocol.unlink()
    code, out, _ = vis_bench("report", runs, "--no-pictures", "--out", tmp_path / "report")
    assert code == 0
    assert "Protocol plain: every method starts from its own" in " ".join(out.split())
    assert "checkpoint_every_iterations" in (tmp_path / "report/report.md").read_text()
    (kept,) = runs.rglob(PROTOCOL_NAME)
    assert kept.with_name("record.json").is_file()
