"""Which runs a call plans: a row for every name, one identity for one thing, refusals before any work."""

import shutil
from pathlib import Path

import pytest

from vis_bench.engine.opened_data import open_data
from vis_bench.engine.plan import plan_runs
from vis_bench.engine.run import Settings
from vis_bench.errors import UsageError
from vis_bench.setup.plugins import method_names
from vis_bench.setup.protocol import load_protocol

TOY = Path(__file__).with_name("toy_method.py")


@pytest.fixture
def planned_on(squares, tmp_path):
    """`runs = planned_on(device, precision, *methods)`; needs no such device."""

    def call(device, precision, *methods, protocol="video"):
        settings = Settings(
            str(squares),
            "val",
            load_protocol(protocol),
            tmp_path / "runs",
            device=device,
            precision=precision,
        )
        return plan_runs(methods, [0], settings, open_data(settings))

    return call


def test_two_methods_take_mixed_precision_on_gpus_unless_asked_for_another(planned_on):
    """As their papers train them; every other method and every CPU computes in fp32."""

    def words(device, precision):
        return {run.method: run.precision for run in planned_on(device, precision, *method_names())}

    for device in ("cuda", "cuda:0"):
        own = words(device, None)
        assert {name for name, word in own.items() if word != "fp32"} == {"mask2former_vis", "ifr"}
        assert own["mask2former_vis"] == own["ifr"] == "fp16"
    assert set(words("cpu", None).values()) == {"fp32"}
    for word in ("fp32", "tf32", "bf16", "fp16"):
        assert set(words("cuda:0", word).values()) == {word}


@pytest.mark.parametrize("method", ["stc", "mask2former_vis"])
def test_every_precision_but_fp32_is_in_the_name_of_the_weights(method, planned_on, protocol):
    def hashes(device, precision):
        # without an image stage, whose own name would do
        (run,) = planned_on(device, precision, f"{method}@tiny", protocol=str(protocol))
        assert run.stage is None
        return run.train_hash, run.run_hash, run.train_dir

    found = {word: hashes("cuda:0", word) for word in ("fp32", "tf32", "bf16", "fp16")}
    for values in zip(*found.values(), strict=True):
        assert len(set(values)) == 4
    # a default is the word that it stands for
    own = {"stc": "fp32", "mask2former_vis": "fp16"}[method]
    assert hashes("cuda:0", None) == found[own]
    # weights in fp32 are the same wherever they are trained, and so are those of before there were precisions
    assert hashes("cpu", None)[0] == hashes("cpu", "fp32")[0] == found["fp32"][0]
    assert hashes("cpu", "bf16")[0] == found["bf16"][0]


def test_an_image_stage_has_the_precision_of_its_method(planned_on):
    def stage(device, precision):
        (run,) = planned_on(device, precision, "mask2former_vis")
        assert run.stage is not None
        return run.stage.precision, run.stage.key

    found = {word: stage("cuda:0", word) for word in ("fp32", "bf16", "fp16")}
    assert {word: precision for word, (precision, _) in found.items()} == {word: word for word in found}
    assert len({key for _, key in found.values()}) == 3
    assert stage("cuda:0", None) == found["fp16"]
    assert stage("cpu", None) == found["fp32"]


@pytest.fixture
def plan(squares, tmp_path):
    settings = Settings(str(squares), "val", load_protocol("video"), tmp_path / "runs")
    data = open_data(settings)

    def call(*methods, seeds=(0,), **changed):
        protocol = settings.protocol.model_copy(update=changed)
        given = Settings(settings.dataset, settings.split, protocol, settings.out)
        return plan_runs(methods, seeds, given, data)

    return call


def test_configurations_of_equal_values_have_a_row_each_and_share_their_weights(plan):
    names = ["stc@no-contrastive", "stc@consistency-only", "inspro_lite", "inspro_lite@K10"]
    runs = plan(*names, seeds=(0, 1))
    assert [run.label for run in runs[:4]] == [
        "stc@tiny+no-contrastive seed 0",
        "stc@tiny+consistency-only seed 0",
        "inspro_lite@tiny seed 0",
        "inspro_lite@tiny+K10 seed 0",
    ]
    assert runs[2].config == runs[3].config
    assert len({run.run_dir for run in runs}) == len({run.run_hash for run in runs}) == len(runs) == 8
    trained = [run.train_dir for run in runs]
    assert trained[0] == trained[1] != trained[2] == trained[3]
    assert len(set(trained)) == 4


def test_a_thing_named_twice_is_run_once(plan, monkeypatch):
    monkeypatch.chdir(TOY.parent)
    assert len(plan("stc", "stc@tiny", "stc@no-contrastive", "stc@tiny+no-contrastive")) == 2
    assert len(plan(f"{TOY}:SPEC", "toy_method.py:SPEC", "toy_method.py:SPEC@default")) == 1


def test_two_methods_of_one_name_are_refused_at_once(plan, tmp_path):
    (tmp_path / "mine.py").write_text("from methods.stc import SPEC\n")
    with pytest.raises(UsageError, match=r"stc and .*mine\.py:SPEC both call themselves 'stc'"):
        plan("stc", f"{tmp_path}/mine.py:SPEC")
    assert len(plan("stc", f"{tmp_path}/mine.py:SPEC@quick")) == 2


def test_a_plug_in_is_the_same_wherever_it_lies(plan, tmp_path, monkeypatch):
    place = tmp_path / "me@home:2"
    place.mkdir()
    shutil.copy(TOY, place)
    monkeypatch.chdir(place)
    (absolute,) = plan(f"{TOY}:SPEC")
    (relative,) = plan("toy_method.py:SPEC")
    (odd,) = plan(f"{place}/toy_method.py:SPEC@far")
    assert (relative.run_dir, relative.train_dir) == (absolute.run_dir, absolute.train_dir)
    assert odd.label == "toy_method@default+far seed 0"
    (place / "toy_method.py").write_text(TOY.read_text() + "# changed\n")
    assert plan("toy_method.py:SPEC")[0].train_dir != absolute.train_dir


def test_an_override_that_no_method_has_is_refused(plan):
    # of inspro_lite only
    assert plan("stc", overrides={"non_key_training.iterations": 60})
    with pytest.raises(UsageError, match=r"'video', \[overrides\].*'train.iteration'.*'train.iterations'"):
        plan("stc", overrides={"train.iterations": 3, "train.iteration": 3})


def test_initial_weights_are_what_they_hold_and_not_where_they_lie(plan, tmp_path):
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two")):
        (tmp_path / name).write_bytes(content)
    start = load_protocol("paper").initialisation

    def planned(name):
        file = start.model_copy(update={"options": {"file": str(tmp_path / name)}})
        (run,) = plan("stc", initialisation=file)
        return run.settings.protocol.content_hash(), run.train_hash

    assert planned("a") == planned("b")
    assert not set(planned("a")) & set(planned("c"))
    assert not set(planned("a")) & set(planned("absent"))
