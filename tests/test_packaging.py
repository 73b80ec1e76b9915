"""The wheel: complete, installable without torch, and not hidden by a user's own `methods` or `protocols`."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from vis_bench.setup.plugins import method_names

ROOT = Path(__file__).parent.parent


def call(*arguments, cwd, check=True):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(part) for part in arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=check,
    )


def test_importing_and_help_load_no_torch(tmp_path):
    code = (
        "import sys, vis_bench, vis_bench.cli, vis_bench.scoring.evaluate, vis_bench.data.catalog;"
        "print(sorted({'torch', 'torchvision', 'matplotlib'} & set(sys.modules)))"
    )
    assert call(sys.executable, "-c", code, cwd=tmp_path).stdout.strip() == "[]"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """bin folder of an empty environment in which only the wheel is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "build", "--wheel", "--outdir", folder, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "env", with_pip=True)
    call(folder / "env" / "bin" / "python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    return folder / "env" / "bin"


@pytest.fixture
def crowded(tmp_path):
    """A working folder that has packages of the same names as ours."""
    for name in ("methods", "protocols"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the wrong package')\n")
    return tmp_path


@pytest.mark.slow
def test_the_installed_command_ignores_packages_of_the_working_folder(installed, crowded):
    listed = call(installed / "vis-bench", "methods", "ls", cwd=crowded).stdout
    assert [line.split()[0] for line in listed.splitlines()] == method_names()
    plan = call(
        installed / "vis-bench", "run", "--methods", "all", "--dataset", "shapes", "--dry-run", cwd=crowded
    )
    assert plan.stderr.count("to do") == len(method_names())


@pytest.mark.slow
def test_python_dash_m_names_the_folder_that_shadows(installed, crowded):
    done = call(installed / "python", "-m", "vis_bench", "methods", "ls", cwd=crowded, check=False)
    assert done.returncode == 2
    assert str(crowded / "methods") in done.stderr
    assert "shadows" in done.stderr


@pytest.mark.slow
def test_the_base_install_scores_and_says_what_running_needs(installed, tmp_path):
    code = "import importlib.util; print(importlib.util.find_spec('torch'))"
    assert call(installed / "python", "-c", code, cwd=tmp_path).stdout.strip() == "None"
    fixtures = ROOT / "tests" / "fixtures" / "metrics"
    done = call(
        installed / "vis-bench", "eval", fixtures / "small_pred.json.gz", "--truth",
        fixtures / "small_gt.json.gz", cwd=tmp_path,
    )  # fmt: skip
    assert "29.7" in done.stdout
    run = call(
        installed / "vis-bench", "run", "--methods", "stc", "--dataset", "shapes", cwd=tmp_path, check=False
    )
    assert run.returncode == 4
    assert "pip install 'vis-bench[methods]'" in run.stderr
