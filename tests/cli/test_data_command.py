"""`vis-bench data`: what is missing or broken is named, and the exit code says so."""

import json

import pytest
from ytvis_files import video_record

from vis_bench.data.catalog import open_dataset
from vis_bench.integrations.formats.content import truth_content
from vis_bench.integrations.formats.table import FORMATS


def test_verify_passes_a_sound_dataset(vis_bench, squares):
    code, out, _ = vis_bench("data", "verify", squares, "--split", "val")
    assert code == 0
    assert "2 videos, 8 frames, 2 tracks, 8 masks, 0 problems" in out


def test_a_warning_is_no_problem(vis_bench, squares):
    """Truth that is hidden, as of the official validation sets."""
    path = squares / "val" / "instances_val.json"
    payload = json.loads(path.read_text())
    del payload["annotations"]
    path.write_text(json.dumps(payload))
    code, out, _ = vis_bench("data", "verify", squares, "--split", "val")
    assert code == 0, out
    assert "the file has no `annotations`, nothing can be scored" in out
    assert out.endswith("0 masks, 0 problems, 1 warnings\n")


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_verify_names_a_missing_or_truncated_frame(vis_bench, squares, damage):
    frame = squares / "val" / "JPEGImages" / "val0" / "00001.jpg"
    data = frame.read_bytes()
    frame.unlink()
    if damage == "truncated":
        frame.write_bytes(data[: len(data) // 2])
    code, out, _ = vis_bench("data", "verify", squares, "--split", "val")
    assert code == 3
    assert "00001.jpg" in out
    assert "1 problems" in out


def test_a_frame_outside_the_image_folder_is_refused(vis_bench, squares):
    path = squares / "val" / "instances_val.json"
    payload = json.loads(path.read_text())
    payload["videos"][0] = video_record(0, 4, width=32, height=24, file_names=["../x.jpg"] * 4)
    path.write_text(json.dumps(payload))
    code, _, err = vis_bench("data", "verify", squares, "--split", "val")
    assert code == 3
    assert "../x.jpg" in err


def test_missing_official_data_prints_the_expected_tree(vis_bench, tmp_path):
    code, _, err = vis_bench("data", "stats", "ovis", "--data-root", tmp_path)
    assert code == 3
    assert "annotations_train.json" in err
    assert "VIS_BENCH_DATA" in err


def test_stats_as_json(vis_bench, squares):
    code, out, _ = vis_bench("data", "stats", squares, "--split", "train", "--json")
    assert code == 0
    stats = json.loads(out)
    assert (stats["videos"], stats["frames"], stats["tracks"]) == (3, 12, 3)


def test_ls_names_every_dataset(vis_bench, monkeypatch):
    monkeypatch.delenv("VIS_BENCH_DATA", raising=False)
    code, out, _ = vis_bench("data", "ls")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()][:8] == [
        "ytvis19",
        "ytvis21",
        "ytvis22",
        "ovis",
        "lvvis",
        "uvo",
        "burst",
        "shapes",
    ]


def test_methods_show_prints_nothing_but_json(vis_bench):
    code, out, err = vis_bench("methods", "show", "stc", "--config", "tiny", "--dataset", "shapes", "--json")
    assert code == 0
    assert not err
    shown = json.loads(out)
    assert shown["name"] == "stc"
    assert shown["online"] is True
    assert sum(shown["parameters"]["by_module"].values()) == shown["parameters"]["total"]
    assert shown["macs_per_frame"] == sum(shown["macs"]["by_module"].values()) > 10**9
    assert {"id", "name", "value", "source"} <= set(shown["choices"][0])
    assert {choice["source"] for choice in shown["choices"]} <= {"paper", "public code", "ours"}


PLUGIN = """
from dataclasses import dataclass
from torch import nn
from vis_bench.method import MethodInfo, TrainConfig

@dataclass(frozen=True)
class Config:
    train: TrainConfig = TrainConfig(iterations=1, batch_size=1, optimizer="sgd", lr=0.1)

class Broken(nn.Linear):
    info = MethodInfo("broken", "Broken", "clip-level", False, "none", "MIT")
    configs = {"tiny": Config()}

    def __init__(self, config, num_classes):
        super().__init__(2, num_classes)

    def track(self, video, frames):
        raise LookupError("no plan")
"""


def test_methods_show_says_why_there_are_no_macs(vis_bench, tmp_path):
    path = tmp_path / "broken.py"
    path.write_text(PLUGIN)
    code, out, _ = vis_bench("methods", "show", f"{path}:Broken", "--dataset", "ovis", "--json")
    shown = json.loads(out)
    assert (code, shown["macs_per_frame"]) == (0, None)
    assert shown["macs"]["reason"] == "LookupError: no plan"
    assert shown["parameters"]["total"] == 3 * 25
    _, out, _ = vis_bench("methods", "show", f"{path}:Broken", "--dataset", "ovis")
    assert "MACs        not measured (LookupError: no plan)" in out


def test_methods_show_suggests(vis_bench):
    code, _, err = vis_bench("methods", "show", "insprop")
    assert code == 2
    assert "Did you mean 'inspro'" in err


def test_the_model_that_is_counted_is_always_the_same():
    import torch

    from vis_bench.engine.description import _build_to_count
    from vis_bench.setup.plugins import load_spec

    spec = load_spec("stc")
    before = torch.random.get_rng_state()
    one, other = (_build_to_count(spec, spec.configs["tiny"], 5).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", ["coco-video", "tao"])
def test_verify_of_another_format_says_how_to_make_ours_of_it(vis_bench, squares, tmp_path, name):
    other, ours = tmp_path / "other.json", tmp_path / "instances_val.json"
    FORMATS[name].write(truth_content(open_dataset(str(squares), "val")), other)
    code, _, err = vis_bench("data", "verify", other)
    assert code == 3
    advice = err.strip().splitlines()[-1].partition("vis-bench data convert ")[2].split()
    assert vis_bench("data", "convert", advice[0], ours)[0] == 0
    assert vis_bench("data", "verify", ours, "--no-frames")[0] == 0
