"""The image stage: what shares it, what trains it, what becomes of a run whose stage fails or was killed."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from image_stage_method import PAIRS, SPEC, StagedConfig

from vis_bench.data.extra import PseudoMotion
from vis_bench.data.stills import stills_dataset
from vis_bench.engine.image_stage import Stage, named_stage, planned_stage, stage_part, stage_training
from vis_bench.engine.image_stage_training import stage_weights
from vis_bench.engine.opened_data import open_data
from vis_bench.engine.order import Order
from vis_bench.engine.plan import plan_runs
from vis_bench.engine.run import Settings
from vis_bench.engine.start_facts import stage_facts
from vis_bench.engine.training.clips.mixed_clips import training_clips
from vis_bench.errors import MethodError
from vis_bench.method import Augmentation, ClipSampling
from vis_bench.records.run import CHECKPOINT_NAME
from vis_bench.setup.config import to_dict
from vis_bench.setup.plugins import build_method, load_spec, method_names
from vis_bench.setup.protocol import ImageRules, Protocol, Training, load_protocol, resolve_config

FILE = Path(__file__).with_name("image_stage_method.py")
STAGED, PAIRED = f"{FILE}:SPEC", f"{FILE}:PAIRS"
TOY = f"{FILE.with_name('toy_method.py')}:SPEC"
RULES = ImageRules(distinct=4, images=16, images_per_step=2, smallest_crop=0.7, degrees=10)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """With the stills of the rules in it; they are made once."""
    folder = tmp_path_factory.mktemp("cache")
    stills_dataset(RULES.seed, RULES.distinct, folder, RULES.alike_share, progress=False)
    return folder


def protocol(rules=RULES, **values):
    training = Training(checkpoint_every_iterations=2)
    return Protocol(name="p", about="", config="default", training=training, image_stage=rules, **values)


@pytest.fixture
def plan(squares, tmp_path, cache):
    own = tmp_path / "cache"
    shutil.copytree(cache, own)

    def call(*methods, seeds=(0,), rules=RULES, **changed):
        given = protocol(rules, **changed)
        settings = Settings(str(squares), "val", given, tmp_path / "runs", cache_root=own)
        return plan_runs(methods, seeds, settings, open_data(settings))

    return call


def keys(runs):
    return [run.stage.key for run in runs]


def test_a_stage_belongs_to_what_decides_its_weights(plan):
    runs = plan(STAGED, f"{STAGED}@strict", f"{STAGED}@no-track", f"{STAGED}@quick", seeds=(0, 1))
    assert len(set(keys(runs))) == 1
    assert len({run.stage.directory for run in runs}) == 1
    (wide,) = plan(f"{STAGED}@wide")
    assert wide.stage.key != runs[0].stage.key
    for rules in (
        RULES.model_copy(update={"images": 18}),
        RULES.model_copy(update={"seed": 1}),
        RULES.model_copy(update={"distinct": 5}),
    ):
        assert plan(STAGED, rules=rules)[0].stage.key != runs[0].stage.key


def test_a_run_is_named_after_its_stage(plan):
    first, other = plan(STAGED)[0], plan(STAGED, rules=RULES.model_copy(update={"seed": 1}))[0]
    assert first.train_hash != other.train_hash
    told = Order.of(first).run()
    assert (told.stage.key, told.stage.directory) == (first.stage.key, first.stage.directory)
    assert to_dict(told.stage.part.config) == to_dict(first.stage.part.config)


@pytest.mark.parametrize("name", ["shapes", "video", "paper"])
def test_our_variants_and_inspros_relatives_share_their_stages(name):
    given = load_protocol(name)
    settings = Settings("shapes", "test", given, Path("runs"))

    def key(text):
        method, _, variant = text.partition("@")
        spec = load_spec(method)
        chosen, config = resolve_config(spec, variant or None, given, ())
        return planned_stage(stage_part(method, spec, chosen, config, given), {}, settings).key

    inspro = ["inspro", "inspro@A", "inspro@C", "inspro@E", "inspro@T9", "inspro_motr", "inspro_tbd"]
    groups = [
        [*inspro, "inspro_lite", "inspro_lite@K5"],
        ["stc", "stc@baseline", "stc@no-bi-direction", "stc@negatives64", "stc@embedding64"],
        ["ifr", "ifr@no-cross-frame", "ifr@clip2"],
        ["querytrack", "querytrack@one-track-head", "querytrack@embedding64"],
        ["inspro_vid", "inspro_vid@A", "inspro_vid@beta0.2"],
        ["masktrack_rcnn", "masktrack_rcnn@no-iou-cue"],
        ["mask2former_vis"],
    ]
    found = [{key(text) for text in group} for group in groups]
    assert [len(one) for one in found] == [1] * len(groups)
    assert len(set.union(*found)) == len(groups)
    assert {text.partition("@")[0] for group in groups for text in group} == set(method_names())
    assert key("mask2former_vis@queries200") not in found[-1]


TRACKING_TERMS = {
    "ifr": {"cross_bce", "cross_dice"},
    "inspro": {"loss_dedup"},
    "inspro_vid": {"loss_dedup"},
    "mask2former_vis": set(),
    "masktrack_rcnn": {"tracking"},
    "querytrack": {"loss_track"},
    "stc": {"tracking", "consistency"},
}


@pytest.mark.parametrize("name", list(TRACKING_TERMS))
def test_terms_between_frames_are_off_on_images(name, cache):
    given = load_protocol("shapes")
    spec = load_spec(name)
    chosen, config = resolve_config(spec, None, given, ())
    part = stage_part(name, spec, chosen, config, given)
    images = stills_dataset(RULES.seed, RULES.distinct, cache, RULES.alike_share)
    terms = []
    for sampling, one in ((part.train.sampling, part.config), (config.train.sampling, config)):
        sampler = training_clips(images, None, sampling, Augmentation(), 0, 0, stills=PseudoMotion(0.8, 5.0))
        torch.manual_seed(0)
        model = build_method(spec, one, len(images.categories)).train()
        found = model.losses([sampler.clip(0), sampler.clip(1)])
        assert all(torch.isfinite(value) for value in found.values())
        terms.append(set(found))
        if one is part.config:
            assert part.train.sampling.frames == 1
            sum(found.values()).backward()
            named = dict(model.named_parameters())
            learning = {n for n, p in named.items() if p.grad is not None and p.grad.abs().sum() > 0}
            assert learning
            if name != "ifr":
                # what starts anew on videos has learned nothing here; IFR's layers have no way around theirs
                new = {n for n in named if any(re.match(p, n) for p in spec.image_stage.new)}
                assert not learning & new
    assert terms[1] - terms[0] == TRACKING_TERMS[name]


def test_a_still_pair_is_one_source_image(cache):
    images = stills_dataset(RULES.seed, RULES.distinct, cache, RULES.alike_share)

    def pairs(motion):
        return training_clips(images, None, ClipSampling(frames=2), Augmentation(), 0, 0, stills=motion)

    still = pairs(PseudoMotion(1.0, 0.0))
    drawn = [still.clip(index) for index in range(RULES.distinct)]
    assert all(torch.equal(clip.frames[0], clip.frames[1]) for clip in drawn)
    # every image once before any comes again
    assert len({still.video(index).id for index in range(RULES.distinct)}) == RULES.distinct
    moved = pairs(PseudoMotion(0.7, 10.0)).clip(0)
    assert not torch.equal(moved.frames[0], moved.frames[1])
    assert moved.visible.shape[0] == 2


def test_pairs_count_one_image_and_two_frames(plan):
    single, pair = (stage_facts(run) for run in plan(STAGED, PAIRED))
    assert (single.images, single.frames) == (16, 16)
    assert (pair.images, pair.frames) == (16, 32)


def test_the_training_of_a_stage_by_hand():
    train = replace(StagedConfig().train, from_imagenet_lr=0.2, backbone_lr_factor=0.1, shard_clips=1)
    rules = ImageRules(images=810, images_per_step=8, backbone_lr_factor=1.0)
    stage = stage_training(train, rules, 1)
    assert (stage.iterations, stage.batch_size, stage.warmup_iterations) == (101, 8, 5)
    assert (stage.lr, stage.backbone_lr_factor, stage.sampling.frames) == (0.2, 1.0, 1)
    assert stage.shard_clips == 1
    assert stage_training(replace(train, shard_clips=3), rules, 1).shard_clips is None
    assert stage_training(train, ImageRules(images=8), 1).backbone_lr_factor == 0.1


def interrupted_after(steps):
    def progress(_, done, total):
        if done >= steps:
            raise KeyboardInterrupt

    return progress


def test_an_interrupted_stage_goes_on_and_ends_the_same(plan, tmp_path):
    (run,) = plan(STAGED)
    stage, settings = run.stage, run.settings
    whole = stage_weights(stage, settings, None, lambda *_: None)
    again = replace(stage, directory=tmp_path / "again")
    with pytest.raises(KeyboardInterrupt):
        stage_weights(again, settings, None, interrupted_after(5))
    assert not again.checkpoint.exists()
    steps = []
    resumed = stage_weights(again, settings, None, lambda stage, done, total: steps.append(done))
    assert steps == [5, 6, 7, 8]
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    # and then it is there
    stage_weights(again, settings, None, lambda *_: pytest.fail("trained twice"))


def records_of(folder):
    return {
        record["method"]: record
        for record in (json.loads(path.read_text()) for path in folder.glob("**/record.json"))
    }


@pytest.fixture
def run(vis_bench, squares, tmp_path, cache, monkeypatch):
    own = tmp_path / "cache"
    shutil.copytree(cache, own)
    monkeypatch.setenv("VIS_BENCH_CACHE", str(own))
    path = tmp_path / "staged.toml"
    path.write_text(
        'name = "staged"\nabout = "test"\nconfig = "default"\n'
        "[training]\ncheckpoint_every_iterations = 2\n"
        "[image_stage]\ndistinct = 4\nimages = 8\nimages_per_step = 2\n"
    )

    def call(methods, *more):
        arguments = ("--methods", methods, "--dataset", squares, "--protocol", path)
        return vis_bench("run", *arguments, "--out", tmp_path / "runs", *more)

    return call


def test_runs_of_a_sweep_start_from_one_stage_and_say_so(run, tmp_path):
    code, _, err = run(f"{STAGED},{TOY}", "--seeds", "2", "--jobs", "2")
    assert code == 0, err
    plan = " ".join(err.split())
    assert "image stage staged@default, 8 images of stills (to train): image_stage_method@default" in plan
    assert "its backbone alone (the method describes no image stage): toy_method@default" in plan
    assert len(list((tmp_path / "cache" / "image-stages").iterdir())) == 1
    found = records_of(tmp_path / "runs")
    staged, toy = found["staged"], found["toy"]
    assert staged["start"]["source"] == "image stage staged@default, 8 images of stills"
    assert (staged["start"]["loaded"], staged["start"]["of"]) == (4, 5)
    assert staged["start"]["missing"] == ["track_head"]
    assert staged["image_stage"]["images"] == 8
    assert staged["image_stage"]["seconds"] > 0
    # 4 steps of 2 pairs
    assert (staged["frames_seen"], staged["frames_with_detection_loss"]) == (16, 16)
    assert toy["start"] is None
    assert any("describes no image stage" in note for note in toy["notes"])
    assert "(trained)" in run(STAGED, "--dry-run")[2]


def test_a_failed_stage_fails_the_runs_that_need_it_and_no_other(run, tmp_path):
    assert run(f"{STAGED},{TOY}", "--seeds", "2", "--jobs", "2", "--set", "fail_on_images=true")[0] == 4
    found = records_of(tmp_path / "runs")
    assert found["toy"]["status"] == "done"
    assert found["staged"]["status"] == "failed"
    assert found["staged"]["error"] == "staged@default image stage: RuntimeError: the images broke it"
    assert list((tmp_path / "runs").glob("**/error.txt"))


def test_without_it_every_method_starts_from_its_backbone(run, tmp_path):
    code, _, err = run(STAGED, "--no-image-stage")
    assert code == 0, err
    assert records_of(tmp_path / "runs")["staged"]["image_stage"] is None
    assert not (tmp_path / "cache" / "image-stages").exists()


def test_without_coco_the_rate_is_that_of_a_backbone_of_imagenet(squares, tmp_path):
    rules = ImageRules(data="coco", images=8)
    given = load_protocol("paper")
    given = given.model_copy(update={"image_stage": rules})
    settings = Settings(str(squares), "val", given, tmp_path / "runs", data_root=tmp_path)
    data = open_data(settings)
    (one,) = plan_runs(["inspro"], (0,), settings, data)
    assert one.stage is None
    assert one.config.train.lr == load_spec("inspro").configs["paper"].train.from_imagenet_lr == 1e-4
    assert Order.of(one).run().config == one.config
    by_hand = replace(settings, overrides=(("train.lr", "3e-5"),))
    assert plan_runs(["inspro"], (0,), by_hand, data)[0].config.train.lr == 3e-5


def test_a_stage_that_names_an_unknown_key_is_refused():
    wrong = replace(SPEC, image_stage=replace(SPEC.image_stage, unused=("treshold",)))
    with pytest.raises(MethodError, match="treshold"):
        stage_part(STAGED, wrong, "default", StagedConfig(), protocol())


def test_names_of_stages(tmp_path):
    part = stage_part(STAGED, PAIRS, "default", StagedConfig(), protocol())
    settings = Settings("shapes", "test", protocol(), tmp_path, cache_root=tmp_path)
    stage = named_stage(part, "0123456789abcdef0", settings)
    assert isinstance(stage, Stage)
    assert stage.checkpoint == tmp_path / "image-stages" / "staged-0123456789abcdef" / CHECKPOINT_NAME
