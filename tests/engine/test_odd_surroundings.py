"""Signals, disks that take nothing, users without a home, recipes that merely lie in the working folder."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vis_bench import cache
from vis_bench.errors import UsageError

TOY = f"{Path(__file__).parent / 'toy_method.py'}:SPEC"


@pytest.fixture
def run(vis_bench, squares, protocol, tmp_path):
    def call(*extra, protocol=protocol):
        return vis_bench(
            "run", "--methods", TOY, "--dataset", squares, "--protocol", protocol, "--out",
            tmp_path / "runs", "--jobs", 1, *extra,
        )  # fmt: skip

    return call


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGHUP", 129)])
@pytest.mark.parametrize("moment", ["training", "waiting for input"])
def test_a_signal_leaves_a_message(squares, protocol, tmp_path, name, code, moment):
    """In a training, which keeps its state first, and anywhere else."""
    if moment == "training":
        arguments = ["run", "--methods", TOY, "--dataset", squares, "--protocol", protocol]
        arguments += ["--out", tmp_path / "runs", "--jobs", "1", "--set", "train.iterations=1000000"]
        begun = lambda: list(tmp_path.glob("runs/trained/*/resume.pt"))  # noqa: E731
    else:
        os.mkfifo(tmp_path / "pipe")
        arguments = ["eval", tmp_path / "pipe", "--truth", squares / "val/instances_val.json"]
        begun = lambda: _has_opened(process.pid, tmp_path / "pipe")  # noqa: E731
    command = [sys.executable, "-m", "vis_bench", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        writer = None if moment == "training" else (tmp_path / "pipe").open("wb")
        deadline = time.monotonic() + 120
        while not begun():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(getattr(signal, name))
        try:
            err = " ".join(process.communicate(timeout=60)[1].split())
        except subprocess.TimeoutExpired:
            process.kill()  # or the block would wait for its end
            raise
        if writer is not None:
            writer.close()
    assert process.returncode == code
    assert f"vis-bench: ended by {name}" in err
    # scoring keeps nothing, so nothing is promised
    assert ("the same command goes on from here" in err) == (moment == "training")
    assert "Traceback" not in err


def _has_opened(process: int, path: Path) -> bool:
    return any(os.path.realpath(link) == str(path) for link in Path(f"/proc/{process}/fd").iterdir())


def test_finished_runs_are_shown_on_a_disk_that_takes_nothing(run, monkeypatch):
    assert run()[0] == 0

    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("vis_bench.files.tempfile.mkstemp", refuse)
    code, out, err = run()
    assert code == 0
    assert "toy" in out
    assert "no report  " in err
    assert "(Read-only file system). (--report names another folder)" in err
    # there is something to compute: refused before it starts
    code, _, err = run("--set", "noise=0.5")
    assert code == 2
    assert "cannot be written (Read-only file system)" in err


def test_a_user_without_a_home_has_a_private_cache(monkeypatch, tmp_path):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("VIS_BENCH_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = cache.default_cache_root()
    assert folder == tmp_path / f"vis-bench-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.rmdir()
    # what another user has put there is not used
    (tmp_path / "theirs").mkdir()
    folder.symlink_to(tmp_path / "theirs")
    with pytest.raises(UsageError, match=r"none of yours\. Name a folder .* VIS_BENCH_CACHE"):
        cache.default_cache_root()


def test_a_home_that_is_not_there_is_a_path(vis_bench):
    code, _, err = vis_bench("data", "verify", "~nobody-of-this-name/data")
    assert code == 3
    assert "~nobody-of-this-name/data: no such file or folder" in err


RECIPE = 'name = "p"\nabout = "x"\nconfig = "default"\n[initialisation]\nrecipe = "{}"\n'


@pytest.mark.parametrize("field", ["initialisation", "training"])
def test_a_recipe_in_the_working_folder_does_not_run(run, tmp_path, monkeypatch, field):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()\ndef recipe(*_): return {}\n")
    text = RECIPE.format("evil:recipe")
    if field == "training":
        text = text.replace("[initialisation]\nrecipe", "[training]\nauxiliary")
    (tmp_path / "p.toml").write_text(text)
    code, _, err = run(protocol=tmp_path / "p.toml")
    assert code == 2
    assert "'evil' belongs to no installed package" in err
    assert "path/to/file.py:NAME" in err
    assert not (tmp_path / "ran").exists()


def test_a_recipe_by_its_path_runs(run, tmp_path):
    """The toy has no backbone, so that nothing calls it; a recipe that is not there is refused."""
    recipe = tmp_path / "mine.py"
    recipe.write_text("def recipe(*_): return {}\n")
    (tmp_path / "p.toml").write_text(RECIPE.format(f"{recipe}:recipe"))
    assert run(protocol=tmp_path / "p.toml")[0] == 0
    from vis_bench.setup.plugins import load_recipe

    assert load_recipe(f"{recipe}:recipe")() == {}
    recipe.unlink()
    code, _, err = run(protocol=tmp_path / "p.toml")
    assert code == 2
    assert "mine.py: no such file (named by the protocol)" in err
