"""`vis-bench doctor` names each of ten planted faults with one line of repair."""

from __future__ import annotations

import importlib.util
import json
import shlex
import shutil
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from record_samples import make_record
from test_official_layouts import write_official

from vis_bench.doctor.machine import machine_findings
from vis_bench.doctor.packages import package_findings
from vis_bench.engine.process.environment import require_torch
from vis_bench.errors import MethodError
from vis_bench.files import write_json
from vis_bench.masks import kernels

VERSION = metadata.version


@pytest.fixture
def doctor(vis_bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Troubles by name, with what was found and the repair; an empty cache and no data root."""
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VIS_BENCH_DATA", raising=False)

    def call(*arguments: object) -> dict[str, dict[str, Any]]:
        code, out, _ = vis_bench("doctor", "--json", *arguments)
        told = json.loads(out)
        troubles = {one["name"]: one for one in told["findings"] if one["state"] == "trouble"}
        assert told["troubles"] == sum(one["state"] == "trouble" for one in told["findings"])
        assert code == (3 if troubles else 0)
        assert all("\n" not in one["repair"] for one in told["findings"])
        assert all(one["repair"] for one in troubles.values())
        return troubles

    return call


def versions(monkeypatch: pytest.MonkeyPatch, **given: str | None) -> None:
    """Packages as if they had other versions, None for one that is not there."""

    def version(name: str) -> str:
        found = given.get(name, "as it is")
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return VERSION(name) if found == "as it is" else found

    monkeypatch.setattr(metadata, "version", version)


def test_a_healthy_machine_has_no_trouble(doctor, vis_bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "installed_kernels", lambda: SimpleNamespace())
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=50_000_000_000))
    assert doctor() == {}
    code, out, _ = vis_bench("doctor")
    assert (code, out.splitlines()[-1]) == (0, "no trouble found")


def test_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, torch=None)
    (found,) = (one for one in package_findings() if one.name == "extra methods")
    assert (found.state, found.found) == ("absent", "torch not installed; for training and tracking")
    assert found.repair == "python -m pip install 'vis-bench[methods]'"


@pytest.fixture
def another_torchvision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One that was built for another torch: it raises when it is imported."""
    package = tmp_path / "other" / "torchvision"
    package.mkdir(parents=True)
    package.joinpath("__init__.py").write_text(
        'raise RuntimeError("operator torchvision::nms does not exist")'
    )
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(package.parent)


@pytest.mark.usefixtures("another_torchvision")
def test_a_torchvision_for_another_torch(doctor) -> None:
    found = doctor()["torchvision"]
    assert "operator torchvision::nms does not exist" in found["found"]
    assert "torch torchvision" in found["repair"]


@pytest.mark.usefixtures("another_torchvision")
def test_a_run_says_so_in_one_line() -> None:
    with pytest.raises(MethodError, match=r"loaded together \(operator torchvision::nms does not exist\)"):
        require_torch("cpu")


def test_lines_fit_80_columns_but_for_what_is_typed(vis_bench, monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, timm=None, einops=None, yacs=None, fvcore=None, iopath=None, omegaconf=None)
    _, out, _ = vis_bench("doctor")
    lines = [line for line in out.splitlines() if "repair:" not in line]
    assert max(map(len, lines)) <= 80
    assert any(line.startswith(" " * 29) for line in lines)


def test_an_old_numpy(doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    versions(monkeypatch, numpy="1.24.4")
    found = doctor()["numpy"]
    assert found["found"] == "1.24.4, and >=1.26 is needed"
    assert found["repair"] == "python -m pip install 'numpy>=1.26'"


def test_kernels_that_are_missing_from_the_installation(doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "installed_kernels", lambda: None)
    found = doctor()["kernels"]
    assert "no compiler when vis-bench was installed" in found["found"]
    assert "--force-reinstall --no-deps ." in found["repair"]
    # the file itself is not there
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "or it was removed; the numbers are the same" in next(
        one.found for one in machine_findings() if one.name == "kernels"
    )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("estimates/a.json", b'{"macs', "it is no JSON"),
        ("image-stages/stc-0/checkpoint.safetensors", b"\x10\0\0\0\0\0\0\0{", "it is cut off"),
        ("annotations/a.store", b"no store", "it is cut off"),
    ],
)
def test_a_broken_file_in_the_cache(
    doctor, vis_bench, tmp_path: Path, name: str, content: bytes, reason: str
):
    place = tmp_path / "cache" / name
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    found = doctor()["cache"]
    assert str(place) in found["found"]
    assert reason in found["found"]
    # the advice works
    code, out, _ = vis_bench(*found["repair"].removeprefix("vis-bench ").split())
    assert (code, out.startswith("removed 1 entry")) == (0, True)
    assert "cache" not in doctor()


def test_a_data_root_that_does_not_exist(doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIS_BENCH_DATA", str(tmp_path / "nowhere"))
    found = doctor()["data root"]
    assert found["found"] == f"{tmp_path / 'nowhere'} does not exist"
    assert "VIS_BENCH_DATA" in found["repair"]


def test_a_data_root_that_cannot_be_read(doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    found = doctor("--data-root", tmp_path)["data root"]
    assert "cannot be read (Permission denied)" in found["found"]
    assert f"chmod -R u+rX {tmp_path}" in found["repair"]


@pytest.mark.parametrize("folder", ["ytvis21", "other"])
def test_a_wrong_layout(doctor, vis_bench, tmp_path: Path, folder: str) -> None:
    (tmp_path / "data" / folder / "labels").mkdir(parents=True)
    found = doctor("--data-root", tmp_path / "data")["data ytvis21" if folder == "ytvis21" else "data root"]
    assert folder in found["found"]
    # what the repair names prints the layout
    words = shlex.split(found["repair"].rpartition(": ")[2])
    assert words[:2] == ["vis-bench", "data"]
    code, _, err = vis_bench(*words[1:])
    assert (code, "train/instances.json" in err) == (3, True)


def test_missing_frames(doctor, tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_official(root, "ytvis21")
    assert not [name for name in doctor("--data-root", root) if name.startswith("data")]
    frame = next((root / "ytvis21" / "train").rglob("*.jpg"))
    frame.unlink()
    found = doctor("--data-root", root)["data ytvis21 train"]
    assert frame.name in found["found"]
    assert "1 of " in found["found"]
    assert "in 1 of " in found["found"]
    assert found["repair"].endswith(f": vis-bench data verify ytvis21 --split train-full --data-root {root}")


def test_a_full_disk(doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=120_000_000))
    found = doctor()
    assert "0.1 GB free" in found["disk of the cache"]["found"]
    assert "VIS_BENCH_CACHE" in found["disk of the cache"]["repair"]
    assert "--out" in found["disk of this folder"]["repair"]


def test_a_record_of_a_newer_schema(doctor, tmp_path: Path) -> None:
    write_json(tmp_path / "runs/1/record.json", make_record("stc", 0.5))
    assert "record" not in doctor(tmp_path / "runs")
    write_json(tmp_path / "runs/2/record.json", {**make_record("stc", 0.5), "energy_joules": 3.0})
    found = doctor(tmp_path / "runs")["record"]
    assert "runs/2/record.json" in found["found"]
    assert "energy_joules" in found["found"]
    assert "newer vis-bench" in found["repair"]
    write_json(tmp_path / "runs/2/record.json", {**make_record("stc", 0.5), "schema_version": 99})
    assert "has schema version 99" in doctor(tmp_path / "runs")["record"]["found"]


def test_a_part_that_cannot_be_looked_at_is_a_trouble_and_the_rest_goes_on(
    doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vis_bench.doctor.packages.package_findings", lambda: 1 / 0)
    found = doctor()
    assert "ZeroDivisionError" in found["packages"]["found"]
