"""`vis-bench pretrain`: whole models on COCO's images, as files that `run --start` takes."""

import pytest
import torch
from coco_files import CATEGORIES, payload, write_coco
from safetensors import safe_open

from vis_bench.setup.plugins import load_spec

# as `video`, but for a backbone that is pretrained first
PROTOCOL = 'name = "images"\nabout = "made small"\nconfig = "tiny"\n[image_stage]\nimages = 4\n'
SMALL = (
    *("--images", "4", "--set", "backbone.name=small"),
    *("--set", "train.augmentation.short_sides=64", "--device", "cpu"),
)


@pytest.fixture
def coco(tmp_path):
    return write_coco(tmp_path / "coco", payload(({"id": 1, "name": "square"}, *CATEGORIES[1:])))


@pytest.fixture
def pretrain(vis_bench, coco, tmp_path, monkeypatch):
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))
    protocol = tmp_path / "images.toml"
    protocol.write_text(PROTOCOL)

    def call(methods, *more):
        return vis_bench(
            "pretrain",
            "--methods",
            methods,
            "--data",
            f"coco:{coco}",
            "-o",
            tmp_path / "starts",
            *("--protocol", protocol),
            *SMALL,
            *more,
        )

    return call


def test_methods_that_share_a_network_are_trained_once_and_have_a_file_each(pretrain, tmp_path):
    code, _, err = pretrain("inspro,inspro_tbd,inspro_lite")
    assert code == 0, err
    names = ["inspro@tiny", "inspro_tbd@tiny", "inspro_lite@tiny"]
    files = [tmp_path / "starts" / f"{name}.safetensors" for name in names]
    assert len(list((tmp_path / "cache" / "image-stages").iterdir())) == 1
    assert [line.split()[0] for line in err.splitlines() if "safetensors" in line] == [
        "trained", "cached", "cached",
    ]  # fmt: skip
    with safe_open(files[0], "pt") as file:
        metadata, heads = file.metadata(), file.get_tensor("stages.0.class_output.weight")
        assert not [name for name in file.keys() if name.startswith("attention.")]  # noqa: SIM118
    assert '"square", "bottle", "mouse"' in metadata["class_names"]
    assert metadata["config"] == "tiny"
    assert heads.shape[0] == len(CATEGORIES)
    with safe_open(files[1], "pt") as file:
        assert torch.equal(file.get_tensor("stages.0.class_output.weight"), heads)


def test_a_run_starts_from_the_files(pretrain, vis_bench, squares, tmp_path):
    assert pretrain("inspro")[0] == 0
    small = ("--set", "train.iterations=1", "--set", "train.batch_size=1")
    code, _, err = vis_bench(
        *("run", "--methods", "inspro", "--dataset", squares, "--start", tmp_path / "starts"),
        *("--out", tmp_path / "runs", "--protocol", "video", *small),
    )
    assert code == 0, err
    assert "inspro@tiny.safetensors" in err


def test_what_cannot_be_trained_is_refused(pretrain, vis_bench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert vis_bench("pretrain", "--methods", "stc", "--data", "images", "-o", "x")[0] == 2
    assert vis_bench("pretrain", "--methods", "stc", "--data", "coco:none", "-o", "x")[0] == 3
    (tmp_path / "plain.py").write_text(
        "from dataclasses import replace\n"
        "from methods.stc import SPEC as STC\n"
        "SPEC = replace(STC, image_stage=None)\n"
    )
    code, _, err = pretrain(f"{tmp_path}/plain.py:SPEC")
    assert (code, "no image stage" in err) == (2, True)
    assert load_spec("stc").image_stage is not None
