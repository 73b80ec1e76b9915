"""`vis-bench methods new`: what it writes keeps what every method promises, and nothing is overwritten."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vis_bench.engine.contract.check import check_method
from vis_bench.engine.contract.subject import find_subject
from vis_bench.setup.plugins import load_spec

ROOT = Path(__file__).parents[2]


def test_a_new_method_has_its_own_name_and_fits_the_style(vis_bench, tmp_path: Path) -> None:
    code, out, _ = vis_bench("methods", "new", "my_method", "--out", tmp_path)
    assert code == 0
    method, test = tmp_path / "my_method.py", tmp_path / "test_my_method.py"
    assert f"vis-bench methods check {method}:MyMethod" in out
    assert "new_method" not in (method.read_text() + test.read_text()).replace("test_new_method", "")
    assert load_spec(f"{method}:MyMethod").info.name == "my_method"
    style = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--config",
        ROOT / "pyproject.toml",
        "--select",
        "E,F,W,B",
    ]
    done = subprocess.run([*style, method, test], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["My-Method", "class", "2nd", "../x", ""])
def test_names_that_no_module_can_have_are_refused(vis_bench, tmp_path: Path, name: str) -> None:
    code, _, err = vis_bench("methods", "new", name, "--out", tmp_path)
    assert code == 2
    assert "small letters" in err
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(vis_bench, tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("mine")
    code, _, err = vis_bench("methods", "new", "mine", "--out", tmp_path)
    assert (code, "test_mine.py is there" in err) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["test_mine.py"]


@pytest.mark.slow
def test_a_new_method_passes_every_check(vis_bench, tmp_path: Path) -> None:
    vis_bench("methods", "new", "my_method", "--out", tmp_path)
    results = list(check_method(find_subject(f"{tmp_path / 'my_method.py'}:MyMethod", None)))
    assert [f"{one.name}: {one.detail}" for one in results if one.status == "failed"] == []
    assert {"learns", "online", "look-alikes"} <= {one.name for one in results if one.status == "ok"}
