"""`vis-bench methods check`: a good method passes, and every check fails the toy that breaks its promise."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vis_bench.engine.contract.check import check_method
from vis_bench.engine.contract.declaration import DECLARATION, light_import
from vis_bench.engine.contract.look_alikes import LOOK_ALIKES
from vis_bench.engine.contract.subject import find_subject
from vis_bench.engine.contract.tracking import TRACKING
from vis_bench.engine.contract.training import LEARNS, TRAINING
from vis_bench.setup.plugins import method_names

TOYS = Path(__file__).with_name("contract_toys.py")
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "pixel_classes.py"
NAMES = [check.name for check in (*DECLARATION, *TRAINING, LEARNS, *TRACKING, LOOK_ALIKES)]
# every tracking comparison sees a method whose scores differ from pass to pass
UNSTEADY = {"online", "resets", "repeats", "checkpoint"}
BROKEN = {
    "ChoiceOfNothing": {"specification"},
    "NoLosses": {"build"},
    "DoesNotBuild": {"build"},
    "NanLoss": {"losses", "clips without objects", "clip sizes", "seed", "batch order", "learns"},
    "NoGradient": {"losses", "clips without objects", "clip sizes", "seed", "learns"},
    "NeverLearns": {"clip sizes", "learns"},
    "NeedsObjects": {"clips without objects"},
    "NanWithoutObjects": {"clips without objects"},
    "OneSize": {"clip sizes"},
    "BackbonePerClip": {"one backbone call"},
    "UnseededStart": {"seed"},
    "UnseededTraining": {"seed"},
    "FirstClipCountsTwice": {"one backbone call", "batch order"},
    "ThawsFrozenNorm": {"phases"},
    "GrowsInPhases": {"phases", "checkpoint"},
    "WrongMaskSize": {"output"},
    "ScoresAboveOne": {"output"},
    "OneIdentityForAll": {"output"},
    "ReadsAhead": {"online"},
    "KnowsTheLength": {"online"},
    "OnlineOnPaper": {"online"},
    "CountsThroughVideos": {"resets"},
    "AdaptsItsWeights": {"resets"},
    "RandomTracking": UNSTEADY,
    "EvenSizesOnly": {"frame sizes"},
    "NeedsTwoFrames": {"one frame"},
    "NeedsDetections": {"blank frames"},
    "HiddenState": {"checkpoint"},
    "NamesAnotherRule": {"association"},
    "NamesHalfARule": {"association"},
    "StoresOtherDetections": {"association"},
    "StoresNoDetections": {"association"},
    "OneMaskForBoth": {"look-alikes"},
    "SinglesForPairs": {"image stage"},
    "ForgetsAHead": {"image stage"},
    "NamesNoValue": {"image stage"},
}


def results_of(toy: str):
    return list(check_method(find_subject(f"{TOYS}:{toy}", None)))


@pytest.mark.parametrize(
    "toy", ["Good", "Offline", "InPhases", "Random", "WithRule", "WithImages", "WithPairs"]
)
def test_a_method_that_keeps_its_promises_passes_every_check(toy):
    results = results_of(toy)
    assert [result.name for result in results] == NAMES
    assert {result.name: result.detail for result in results if result.status == "failed"} == {}
    absent = {result.name for result in results if result.status == "not applicable"}
    promised = {
        "InPhases": {"phases", "online"},
        "Offline": set(),
        "WithRule": {"association", "online"},
        "WithImages": {"image stage", "online"},
        "WithPairs": {"image stage", "online"},
    }
    expected = {"light import", "phases", "online", "association", "image stage"}
    assert absent == expected - promised.get(toy, {"online"})


def test_a_rule_is_applied_to_the_detections_of_every_frame_and_the_fault_is_told():
    told = {result.name: result.detail for result in results_of("WithRule")}
    assert told["association"].endswith("tracks from stored detections, all as tracked")
    assert int(told["association"].split()[0]) >= 2
    told = {result.name: result.detail for result in results_of("NamesAnotherRule")}
    assert "gives other tracks than `track`" in told["association"]
    told = {result.name: result.detail for result in results_of("StoresOtherDetections")}
    assert "track 0: score" in told["association"]


@pytest.mark.parametrize(("toy", "expected"), BROKEN.items(), ids=BROKEN)
def test_a_fault_fails_the_check_made_for_it_and_says_how_to_repair_it(toy, expected):
    failed = {result.name: result for result in results_of(toy) if result.status == "failed"}
    assert set(failed) == expected
    assert all(result.detail and result.repair for result in failed.values())


def test_parts_that_are_never_trained_are_named_but_no_fault():
    results = {result.name: result for result in results_of("WithUnusedPart")}
    assert {result.status for result in results.values()} == {"ok", "not applicable"}
    assert results["learns"].detail.endswith("; 2 tensors got no gradient, first unused.weight")


def test_every_check_has_a_toy_that_fails_it():
    assert set().union(*BROKEN.values()) == set(NAMES) - {"light import"}


def test_the_specification_of_an_installed_method_must_not_need_torch(tmp_path, monkeypatch):
    for name, line in (("light_toy", "import numpy"), ("heavy_toy", "import torch")):
        source = TOYS.read_text() if name == "heavy_toy" else _SPECIFICATION
        (tmp_path / f"{name}.py").write_text(f"{line}\n" + source.replace("from __future__", "# from"))
    record = tmp_path / "toys-1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1\n")
    (record / "entry_points.txt").write_text(
        "[vis_bench.methods]\nlight_toy = light_toy:SPEC\nheavy_toy = heavy_toy:Good\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    light, heavy = (light_import(find_subject(name, None)) for name in ("light_toy", "heavy_toy"))
    assert light.status == "ok"
    assert heavy.status == "failed"
    assert "torch" in heavy.detail


_SPECIFICATION = """
import dataclasses
from vis_bench.method import MethodInfo, MethodSpec, TrainConfig

@dataclasses.dataclass(frozen=True)
class Config:
    train: TrainConfig = dataclasses.field(default_factory=lambda: TrainConfig(1, 1, "sgd", 0.1))

SPEC = MethodSpec(
    MethodInfo("light_toy", "Light", "clip-level", False, "none", "Apache-2.0"), {"tiny": Config()}, (),
    "somewhere:Model",
)
"""


def _entries(out: str) -> list[str]:
    """One string for each check; what is broken for 80 columns goes on behind blanks."""
    return re.sub(r"\n +", " ", out).splitlines()


def test_the_command_prints_a_line_per_check_and_exits_4_when_one_failed(vis_bench):
    code, out, err = vis_bench("methods", "check", f"{TOYS}:Good")
    assert (code, err) == (0, "")
    lines = _entries(out)
    assert len(lines) == len(NAMES)
    # a file of its own, one phase, no image stage, no association rule
    assert sum(line.startswith("ok ") for line in lines) == len(NAMES) - 4
    assert not any("nothing was predicted" in line for line in lines)

    code, out, err = vis_bench("methods", "check", f"{TOYS}:CountsThroughVideos")
    assert code == 4
    (line,) = [line for line in _entries(out) if line.startswith("FAILED")]
    assert line.split()[1] == "resets"
    assert "identity 0 and 10. Repair: Keep memory and identities in local variables" in line
    assert f"fails 1 of {len(NAMES)} checks: resets." in err


def test_json_holds_every_check_and_nothing_else_is_printed(vis_bench):
    code, out, _ = vis_bench("methods", "check", f"{TOYS}:HiddenState", "--json")
    facts = json.loads(out)
    assert code == 4
    assert (facts["method"], facts["config"], facts["ok"]) == ("good", "tiny", False)
    assert [entry["name"] for entry in facts["checks"]] == NAMES
    assert [entry["name"] for entry in facts["checks"] if entry["repair"]] == ["checkpoint"]
    assert {entry["status"] for entry in facts["checks"]} == {"ok", "failed", "not applicable"}


def test_without_torch_the_command_says_what_to_install():
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['vis-bench', 'methods', 'check', 'stc'];"
        "from vis_bench.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "pip install 'vis-bench[methods]'" in done.stderr


def test_unknown_methods_and_configurations_are_usage_errors(vis_bench):
    assert vis_bench("methods", "check", "no_such_method")[0] == 2
    code, _, err = vis_bench("methods", "check", f"{TOYS}:Good", "--config", "huge")
    assert code == 2
    assert "huge" in err


def test_the_checks_leave_the_number_of_threads_as_it_was():
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        results_of("DoesNotBuild")
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("name", method_names())
def test_every_installed_method_keeps_its_promises(name):
    results = list(check_method(find_subject(name, None)))
    assert {result.name: result.detail for result in results if result.status == "failed"} == {}
    assert not any("nothing was predicted" in result.detail for result in results)


@pytest.mark.long
@pytest.mark.slow
def test_the_example_keeps_all_promises_but_the_one_that_it_says_it_cannot():
    """Its tracks are the classes, so both of two equal objects get one mask."""
    results = list(check_method(find_subject(f"{EXAMPLE}:PixelClasses", None)))
    assert [result.name for result in results if result.status == "failed"] == ["look-alikes"]
    assert "at 0 of 20 other places" in results[-1].detail
