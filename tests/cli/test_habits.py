"""Habits of good tools: what is listed can be read by programs, -q is quiet, -v says where, versions."""

from __future__ import annotations

import json
import os
from importlib import metadata
from pathlib import Path

import pytest
from record_samples import make_record

from vis_bench.cli.versions import build_names
from vis_bench.files import write_json
from vis_bench.setup.protocol import load_protocol, protocol_names


@pytest.mark.parametrize("words", [("ls",), ("show", "shapes"), ("show", "paper")])
def test_protocols_fit_80_columns(vis_bench, words) -> None:
    code, out, _ = vis_bench("protocols", *words)
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80


def test_protocols_are_listed_and_shown(vis_bench) -> None:
    code, out, _ = vis_bench("protocols", "ls", "--json")
    assert code == 0
    assert [one["name"] for one in json.loads(out)] == protocol_names()
    code, out, _ = vis_bench("protocols", "show", "shapes", "--json")
    shown, protocol = json.loads(out), load_protocol("shapes")
    assert shown["hash"] == protocol.content_hash()
    assert shown["train"]["frames"] == protocol.train.frames
    text = vis_bench("protocols", "show", "shapes")[1]
    assert text.startswith(f"shapes ({protocol.content_hash()})")
    assert f"train.frames {protocol.train.frames}" in " ".join(text.split())
    assert vis_bench("protocols", "show", "shaped")[0] == 2


def test_methods_are_listed_for_programs(vis_bench) -> None:
    rows = {one["name"]: one for one in json.loads(vis_bench("methods", "ls", "--json")[1])}
    assert len(rows) >= 10
    assert rows["stc"]["paradigm"] == "tracking by detection"
    assert {"paper", "tiny", "baseline"} <= set(rows["stc"]["configs"])


def test_quiet_leaves_results_and_errors(vis_bench, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    write_json(tmp_path / "runs/1/record.json", make_record("stc", 0.5))
    call = ("report", tmp_path / "runs", "--no-pictures", "--out", tmp_path / "report")
    code, loud, notes = vis_bench(*call)
    assert (code, "report.html" in notes) == (0, True)
    assert vis_bench("-q", *call) == (0, loud, "")
    assert "TQDM_DISABLE" not in os.environ
    assert "no such file" in vis_bench("-q", "report", tmp_path / "none")[2]


def test_verbose_says_where_an_error_was_found(vis_bench, tmp_path: Path) -> None:
    for arguments, traced in ((("-v",), True), (("-qv",), True), (("-q",), False), ((), False)):
        code, _, err = vis_bench(*arguments, "report", tmp_path / "none")
        assert code == 3
        assert ("Traceback" in err) == traced


def test_versions(vis_bench) -> None:
    lines = vis_bench("--version")[1].splitlines()
    assert lines[0] == f"vis-bench {metadata.version('vis-bench')}"
    assert lines[1].startswith("kernels    ")
    import torch

    built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPUs"
    if torch.version.hip:
        built = f"ROCm {torch.version.hip}"
    assert lines[2] == f"torch      {metadata.version('torch')}, built for {built}"


def test_what_torch_is_built_for_is_read_from_its_file() -> None:
    new = "__version__ = '2.14.1'\ncuda: Optional[str] = '13.0'\nhip: Optional[str] = None\n"
    assert build_names(new) == ["CUDA 13.0"]
    assert build_names("cuda = None\nhip = '6.2'\n") == ["ROCm 6.2"]
    assert build_names("cuda = None\n") == []
