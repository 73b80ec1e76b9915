"""The wheel: complete, installable without torch or a compiler, with kernels where there was one, and not
hidden by a user's own `methods` or `protocols`."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from vis_bench.setup.plugins import method_names

ROOT = Path(__file__).parent.parent


def call(*arguments, cwd, check=True, **changed):
    """Run a command without this checkout on its path. changed: environment variables."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | changed
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
def checkout(tmp_path_factory):
    """A copy of what is packaged: building leaves folders behind, and two processes may build at once."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("vis_bench", "methods", "protocols"):
        ignored = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def built(checkout, folder, **changed):
    """The wheel, built into a folder."""
    call(sys.executable, "-m", "build", "--wheel", "--outdir", folder, cwd=checkout, **changed)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    return built(checkout, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel):
    """bin folder of an empty environment in which only the wheel is installed."""
    environment = wheel.parent / "env"
    venv.create(environment, with_pip=True)
    call(environment / "bin" / "python", "-m", "pip", "install", "--quiet", wheel, cwd=wheel.parent)
    return environment / "bin"


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


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler when vis-bench was installed")
def test_the_wheel_has_the_kernels_and_every_file_of_the_packages(wheel, installed, tmp_path):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "cp311-abi3" in wheel.name
    assert [name for name in names if name.startswith("vis_bench/masks/_kernels.")]
    tracked = call("git", "ls-files", "vis_bench", "methods", "protocols", cwd=ROOT).stdout.splitlines()
    assert {name for name in tracked if (ROOT / name).is_file()} <= names
    version = call(installed / "vis-bench", "--version", cwd=tmp_path).stdout
    assert "kernels    compiled" in version


@pytest.mark.slow
def test_without_a_compiler_it_builds_installs_and_scores_the_same(checkout, installed, tmp_path):
    """No compiler while the wheel is built, and none on PATH while it is installed and used."""
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "python").symlink_to(sys.executable)
    path = {"PATH": str(tools), "CC": "no-such-compiler"}
    clean = shutil.copytree(
        checkout, tmp_path / "clean", ignore=shutil.ignore_patterns("build", "*.egg-info")
    )
    plain = built(clean, tmp_path / "wheel", **path)
    assert not [name for name in zipfile.ZipFile(plain).namelist() if "_kernels" in name]
    environment = tmp_path / "env"
    # the dependencies of the other environment, which take most of the time, are used again
    venv.create(environment, with_pip=True)
    (site,) = environment.glob("lib/*/site-packages")
    (others,) = installed.parent.glob("lib/*/site-packages")
    python = environment / "bin" / "python"
    call(python, "-m", "pip", "install", "--quiet", "--no-deps", plain, cwd=tmp_path, **path)
    (site / "others.pth").write_text(f"{others}\n")
    version = call(environment / "bin" / "vis-bench", "--version", cwd=tmp_path, **path).stdout
    assert "plain (no compiler when vis-bench was installed)" in version
    fixtures = ROOT / "tests" / "fixtures" / "metrics"
    files = (fixtures / "small_pred.json.gz", "--truth", fixtures / "small_gt.json.gz", "--json", "-")
    with_kernels = call(installed / "vis-bench", "eval", *files, cwd=tmp_path, VIS_BENCH_FAST="1")
    without = call(
        environment / "bin" / "vis-bench", "eval", *files, cwd=tmp_path, VIS_BENCH_FAST="1", **path
    )
    assert without.stdout == with_kernels.stdout != ""


def test_no_program_and_no_library_of_a_cache_folder_is_run_by_the_masks():
    """A library planted in a cache folder was loaded once; a compiler that hangs made scoring hang."""
    for file in (ROOT / "vis_bench" / "masks").glob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert not any(word in text for word in ("subprocess", "ctypes", "CDLL", "default_cache_root"))
