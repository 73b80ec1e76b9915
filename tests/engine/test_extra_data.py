"""Images mixed into a training: by the command line or a protocol, recorded, and part of a run's identity."""

import json
from pathlib import Path

import pytest
from coco_files import CATEGORIES, payload, write_coco

from vis_bench.engine.training.clips.mixed_clips import MixedClipSampler
from vis_bench.errors import DataError
from vis_bench.setup.protocol import Extra, Protocol, Training, load_protocol

TOY = str(Path(__file__).with_name("toy_method.py")) + ":SPEC"


@pytest.fixture
def coco(tmp_path):
    """Two images with squares of the target's name."""
    return write_coco(tmp_path / "coco", payload(({"id": 1, "name": "square"}, *CATEGORIES[1:])))


@pytest.fixture
def run(vis_bench, squares, protocol, tmp_path):
    def call(*more):
        arguments = (
            "--methods",
            TOY,
            "--dataset",
            squares,
            "--protocol",
            protocol,
            "--out",
            tmp_path / "runs",
        )
        return vis_bench("run", *arguments, *more)

    return call


def records(tmp_path):
    return [json.loads(path.read_text()) for path in tmp_path.glob("runs/squares-val/**/record.json")]


def test_extra_data_is_trained_on_and_recorded(run, coco, tmp_path, monkeypatch):
    taken = []
    real = MixedClipSampler.clip
    monkeypatch.setattr(
        MixedClipSampler,
        "clip",
        lambda self, index: (taken.append(self.source(index)[0]), real(self, index))[1],
    )
    code, _, err = run("--extra-data", f"coco:{coco}")
    assert code == 0, err
    assert "and coco train2017 (2 images, 14% of the clips)" in err
    assert {type(source).__name__ for source in taken} == {"ClipSampler", "PseudoClipSampler"}
    (record,) = records(tmp_path)
    assert record["extra_data"]["name"] == "coco"
    assert record["extra_data"]["videos"] == 2
    assert record["train_data"]["videos"] == 3
    assert "cached" in run("--extra-data", f"coco:{coco}")[2]


def test_runs_with_other_images_differ(run, coco, tmp_path):
    run()
    run("--extra-data", f"coco:{coco}")
    content = json.loads(coco.read_text())
    for annotation in content["annotations"]:
        annotation["segmentation"] = [[2, 2, 30, 2, 30, 9, 2, 9]]
    coco.write_text(json.dumps(content))
    code, _, err = run("--extra-data", f"coco:{coco}")
    assert (code, "cached" in err) == (0, False)
    found = records(tmp_path)
    assert len({record["run_hash"] for record in found}) == len(found) == 3
    assert len({record["checkpoint_hash"] for record in found}) == 3
    assert [record["extra_data"] is None for record in found].count(True) == 1
    # a table compares within one protocol: with and without images are two
    assert len({record["protocol_hash"] for record in found}) == 2


def with_extra(**values):
    return Protocol(name="p", about="", config="tiny", training=Training(extra=Extra(**values)))


def test_protocols_agree_wherever_the_images_lie():
    here, there = with_extra(path="a.json"), with_extra(path="/b/c.json", images="/b/train2017")
    assert here.content_hash() == there.content_hash()
    assert here.content_hash() != with_extra(path="a.json", share=0.5).content_hash()
    assert here.content_hash() != with_extra(path="a.json", degrees=5).content_hash()
    assert here.content_hash() != Protocol(name="p", about="", config="tiny").content_hash()


def test_protocols_without_images_keep_their_hash():
    """Records made before images could be mixed in name it."""
    content = Protocol(name="p", about="", config="tiny").model_dump(mode="json")
    assert content["training"].pop("extra") is None
    # it came later too
    assert content.pop("operating_point") == {"split": None, "videos": None}
    from vis_bench.setup.config import config_hash

    for name in ("name", "about", "datasets", "not_from_a_paper"):
        del content[name]
    assert Protocol(name="p", about="", config="tiny").content_hash() == config_hash(content)


def test_a_protocol_file_names_images(run, coco, protocol, tmp_path):
    text = protocol.read_text() + f'[training.extra]\npath = "{coco}"\nshare = 0.5\nsmallest_crop = 0.8\n'
    protocol.write_text(text)
    assert load_protocol(str(protocol)).training.extra == Extra(path=str(coco), share=0.5, smallest_crop=0.8)
    code, _, err = run()
    assert code == 0
    assert "(2 images, 50% of the clips)" in err
    protocol.write_text(text.replace("share = 0.5", "share = 1.5"))
    with pytest.raises(DataError, match="share"):
        load_protocol(str(protocol))


@pytest.mark.parametrize("text", ["coco", "coco:", "voc:x.json", "x.json"])
def test_the_form_of_the_option(run, text):
    code, _, err = run("--extra-data", text)
    assert code == 2
    assert "expected coco:PATH" in err


def test_a_missing_image_is_found_before_training(run, coco):
    next((coco.parent.parent / "train2017").glob("*7.png")).unlink()
    code, _, err = run("--extra-data", f"coco:{coco}")
    assert code == 3
    assert "no such frame" in err


def test_without_training_no_images_are_read(run, tmp_path):
    run()
    weights = next(tmp_path.glob("runs/trained/*/checkpoint.safetensors"))
    absent = f"coco:{tmp_path}/absent.json"
    assert run("--weights", weights, "--no-train", "--extra-data", absent)[0] == 0
    assert run("--extra-data", absent)[0] == 3
