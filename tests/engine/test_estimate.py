"""What a dry run says of paper configurations that nobody has run: arithmetic, measured costs, texts."""

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from square_videos import write_split
from torch import nn

from vis_bench.engine import unseen_forecast as module
from vis_bench.engine.estimate import Machine, Work, estimate, estimate_texts, long_duration
from vis_bench.engine.image_stage import Stage, StagePart, stage_training
from vis_bench.engine.measured_cost import loader_seconds, probed_flops, remembered
from vis_bench.engine.opened_data import open_data
from vis_bench.engine.plan import plan_runs
from vis_bench.engine.run import Settings
from vis_bench.engine.saved_bytes import saved_bytes
from vis_bench.engine.unseen_forecast import cpu_warning, machine_of, unseen_forecast
from vis_bench.engine.unseen_work import is_paper, plain_work, scale_of, stage_work, work_of
from vis_bench.report.tables.text import wrap_behind
from vis_bench.setup.plugins import load_spec
from vis_bench.setup.protocol import ImageRules, load_protocol

# 1 TFLOP/s: 1e9 multiply-adds take 2 ms
GPU = Machine("a card", 1e12, "1 TFLOP/s", 8, on_gpu=True)
CPU = replace(GPU, name="a CPU", on_gpu=False)
WANTED = ("iterations", "batch_size", "sampling", "augmentation", "optimizer")
WORK = Work(
    label="toy@paper", macs_per_frame=1e9, train_frames=1000, train_clips=500, train_scale=1.5,
    track_frames=100, track_scale=0.5, parameters=10_000_000, copies=5, shard_clips=2,
    saved_bytes=3_000_000_000, loader_seconds=0.05,
)  # fmt: skip


def test_time_memory_cores_and_disk_by_hand():
    found = estimate(WORK, GPU)
    # 1,000 frames of 1.5 sizes at 2 ms, three times; 100 frames of half a size
    assert found.compute_seconds == pytest.approx(9.0)
    assert found.seconds == pytest.approx(9.0 + 0.1)
    # two clips of 3 GB, five copies of 40 MB, 1 GB of CUDA
    assert found.memory_bytes == 7_200_000_000
    # 25 s of loading in 9 s
    assert (found.loader_cores, found.waits) == (3, False)
    assert found.disk_bytes == 40_000_000 + 100 * 2_000
    assert found.resume_bytes == 200_000_000


def test_a_cpu_loads_and_computes_in_turn():
    found = estimate(WORK, CPU)
    assert found.seconds == pytest.approx(9.0 + 25.0 + 0.1)
    assert found.loader_cores == 0
    assert found.memory_bytes == 6_200_000_000


def test_too_few_cores_make_the_device_wait():
    found = estimate(WORK, replace(GPU, cores=2))
    assert (found.loader_cores, found.waits) == (3, True)
    assert found.seconds == pytest.approx(12.5 + 0.1)
    elsewhere = estimate(WORK, replace(GPU, cores=None))
    assert (elsewhere.loader_cores, elsewhere.waits) == (3, False)


def test_what_is_trained_takes_no_training_and_half_saves_less():
    trained = replace(WORK, train_frames=0, train_clips=0, saved_bytes=None)
    found = estimate(trained, GPU)
    assert (found.seconds, found.memory_bytes, found.loader_cores) == (pytest.approx(0.1), None, 0)
    assert estimate(replace(WORK, half=True), GPU).memory_bytes == 4_800_000_000


def test_the_texts_say_numbers_and_assumptions_within_80_columns():
    works = [WORK, replace(WORK, label="other@paper", saved_bytes=None)]
    few = replace(GPU, cores=2, name="a card " * 5)
    texts = estimate_texts([estimate(work, few) for work in works], [few] * 2, runs=3, places=2)
    lines = [line for word, text in texts for line in wrap_behind(f"{word:<10} ", text)]
    assert all(len(line) <= 80 for line in lines), lines
    text = " ".join(" ".join(lines).split())
    assert "toy@paper: 13 s, 7.2 GB memory, 3 loader cores (more than the 2 here), disk 40 MB" in text
    assert "other@paper: 13 s, memory unknown, 3 loader cores" in text
    # six runs of 12.6 s on two devices
    assert "together (6): about 38 s on 2 devices" in text
    assert "up to 0.2 GB for each run while it trains" in text
    assert "assumes 1 TFLOP/s; a training step is three forward passes" in text
    assert estimate_texts([], [], 1) == []


def test_long_times_are_days():
    assert long_duration(47 * 3600) == "47 h 0 min"
    assert long_duration(108 * 3600) == "4.5 days"


def test_frames_are_scaled_as_they_are_resized():
    # 720x1280 to 480 on the shorter side: 480x853.3; not above 640 on the longer: 360x640
    assert scale_of(720, 1280, 480, 1333) == pytest.approx((480 / 360) ** 2)
    assert scale_of(720, 1280, 480, 640) == pytest.approx(1.0)
    assert scale_of(720, 1280, None, 640) == pytest.approx(4.0)
    assert scale_of(1280, 720, 360, None) == pytest.approx(1.0)


def test_saved_bytes_are_those_of_every_storage_once():
    layer = nn.Linear(4, 3, bias=False)
    x = torch.ones(2, 4, requires_grad=True)
    with saved_bytes(layer) as total:
        y = layer(x)  # keeps x (2 x 4) and the weights, which are there anyway
        y.exp().sum()  # keeps its result (2 x 3)
        (y * y).sum()  # keeps y (2 x 3) twice
    assert total == [4 * (8 + 6 + 6)]


def test_a_device_is_probed_and_a_clip_timed():
    assert 1e8 < probed_flops("cpu", "fp32", 1) < 1e14
    asked = []

    class Sampler:
        def clip(self, index):
            asked.append(index)

    assert loader_seconds(Sampler(), seconds=0.0) < 0.1
    # the first does not count
    assert asked == [0, 1, 2]


def test_what_was_measured_is_not_measured_again(tmp_path):
    calls = []

    def measured():
        calls.append(1)
        return {"macs_per_frame": 7}

    for _ in range(2):
        assert remembered(tmp_path / "a/b.json", measured) == {"macs_per_frame": 7}
    assert len(calls) == 1


@pytest.fixture
def plan(tmp_path, protocol, monkeypatch):
    """`runs, data = plan(device, **changes)` of STC's paper configuration on six frames; a known device."""
    write_split(tmp_path / "six", "train", 2)
    write_split(tmp_path / "six", "val", 2)
    monkeypatch.setattr(module, "machine_of", lambda settings, word: CPU)

    def call(device="cpu", methods=("stc@paper",), **changes):
        settings = Settings(
            str(tmp_path / "six"), "val", load_protocol(str(protocol)), tmp_path / "runs", device=device,
            cache_root=tmp_path / "cache", **changes,
        )  # fmt: skip
        data = open_data(settings)
        return plan_runs(list(methods), [0, 1], settings, data), data

    return call


@pytest.fixture
def counted(monkeypatch):
    """Counts nothing: 1e9 multiply-adds a frame, and a clip of 3 GB for 10 million numbers."""
    import vis_bench.engine.measured_cost as cost

    monkeypatch.setattr(cost, "counted_macs", lambda *_: 1_000_000_000)
    monkeypatch.setattr(cost, "training_size", lambda *_: (10_000_000, 3_000_000_000))
    monkeypatch.setattr(cost, "loader_seconds", lambda *_: 0.05)


@pytest.mark.usefixtures("counted")
def test_a_paper_configuration_without_an_earlier_run_is_estimated(plan):
    runs, data = plan(methods=("stc@paper", "stc@tiny"))
    found = unseen_forecast(runs, data, ("stc@paper",), 1)
    assert found.covered == found.estimated == {"stc@paper"}
    text = " ".join(text for _, text in found.texts)
    assert "stc@paper: " in text
    # what an earlier run speaks of is left to it
    assert "stc@tiny" not in text
    assert "together (2)" in text
    assert "a training step is three forward passes" in text
    assert "on an H100-class card (40% of 67 TFLOP/s in fp32" in text


@pytest.mark.usefixtures("counted")
def test_a_step_of_another_configuration_is_timed_on_a_cpu(plan, monkeypatch):
    import vis_bench.engine.measured_cost as cost

    asked = []
    monkeypatch.setattr(cost, "step_seconds", lambda *arguments: asked.append(arguments) or 1.6)
    monkeypatch.setattr(cost, "counted_macs", lambda *_: pytest.fail("counted all the same"))
    runs, data = plan(methods=("stc@tiny",))
    found = unseen_forecast(runs, data, ("stc@tiny",), 1)
    assert found.covered == found.estimated == {"stc@tiny"}
    ((_, _, _, clips, threads),) = asked
    train = runs[0].config.train
    # of a batch of four
    assert (train.batch_size, len(clips), threads) == (4, 2, 1)
    work = work_of(runs[0], data)
    assert work.frame_seconds == pytest.approx(1.6 / (2 * train.sampling.frames))
    texts = dict(found.texts)
    assert texts["assumes"].startswith("training steps as long as some that were made just now (1 thread)")
    assert "three forward passes" not in texts["assumes"]
    # nobody has timed a card
    assert "or" not in texts
    one = estimate(work, module.timed_machine(runs[0].settings))
    assert (found.units, found.disk_bytes) == (2, 2 * one.disk_bytes)
    assert found.seconds == pytest.approx(2 * one.seconds)
    assert unseen_forecast(runs, data, ("stc@tiny",), 2).seconds == pytest.approx(one.seconds)
    # a stage of frames of the same size takes as long for each
    rules = ImageRules(data="stills", images=120, images_per_step=4, backbone="initialisation")
    stage = Stage(StagePart("stc", "stc@tiny", runs[0].config, train, 2), "k", rules, Path("not-there"))
    assert stage_work(stage, work).frame_seconds == pytest.approx(work.frame_seconds)
    # a step on a card is not timed, so that nothing is known
    runs, data = plan("cuda:0", methods=("stc@tiny",))
    assert unseen_forecast(runs, data, ("stc@tiny",), 1).covered == frozenset()


def test_a_timed_step_by_hand():
    """1,000 frames of 20 ms, 500 clips of 50 ms to load; 100 frames of a third of the pixels at a ninth."""
    work = replace(WORK, frame_seconds=0.02)
    found = estimate(work, replace(CPU, flops=0.0))
    assert found.timed
    assert found.compute_seconds == pytest.approx(20.0)
    assert found.seconds == pytest.approx(20.0 + 25.0 + 100 * 0.02 / 3 * 0.5 / 1.5)


class Slow(nn.Module):
    """Three hundredths of a second of work for each clip."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def losses(self, clips):
        begin = time.process_time()
        while time.process_time() - begin < 0.03 * len(clips):
            pass
        return {"one": self.weight * 2, "each": self.weight * torch.ones(3)}


def test_a_step_takes_what_its_passes_take(monkeypatch):
    import vis_bench.engine.measured_cost as cost

    monkeypatch.setattr(cost, "build_method", lambda *_: Slow())
    before = torch.get_num_threads()
    found = cost.step_seconds(load_spec("stc"), None, 1, [None, None], 1)
    # nothing but a slow processor makes it longer
    assert 0.06 <= found < 1.0
    assert torch.get_num_threads() == before


@pytest.mark.usefixtures("counted")
def test_the_image_stages_are_estimated_once_for_all_seeds(plan):
    """1,440,000 images of one frame, three passes of 1 GMAC (2 operations each) for every 640x360 pixels."""
    runs, data = plan()
    rules = ImageRules(data="coco", images=1_440_000, images_per_step=16, backbone="initialisation")
    train = stage_training(runs[0].config.train, rules, 1)
    part = StagePart("stc", "stc@paper", runs[0].config, train, 1)
    stage = Stage(part, "k", rules, Path("not-there"))
    work = work_of(runs[0], data)
    found = stage_work(stage, work)
    assert (found.train_frames, found.train_clips, found.track_frames) == (1_440_000, 1_440_000, 0)
    assert found.label == "stc@paper image stage"
    # an image of 640x480 with a short side s has s x 4/3 s pixels
    sides = train.augmentation.short_sides
    assert found.train_scale == pytest.approx(sum(s * s * 4 / 3 for s in sides) / len(sides) / 640 / 360)
    expected = 3 * 2e9 * found.train_scale * 1_440_000 / 1e12
    assert estimate(replace(found, loader_seconds=0.0), GPU).seconds == pytest.approx(expected)
    with_stage = [replace(run, stage=stage) for run in runs]
    texts = dict(unseen_forecast(with_stage, data, ("stc@paper",), 1).texts)
    assert "each once for all seeds: stc@paper " in texts["before"]
    assert "before" not in dict(unseen_forecast(runs, data, ("stc@paper",), 1).texts)
    # or not at all, where an earlier run tells of it
    assert "before" not in dict(unseen_forecast(with_stage, data, ("stc@paper",), 1, {"k"}).texts)


def test_a_method_that_cannot_be_counted_is_named(plan, monkeypatch):
    import vis_bench.engine.measured_cost as cost

    def breaks(*_):
        raise RuntimeError("the toy broke")

    monkeypatch.setattr(cost, "counted_macs", breaks)
    runs, data = plan()
    found = unseen_forecast(runs, data, ("stc@paper",), 1)
    assert found.texts == (("unknown", "stc@paper: not estimated: RuntimeError: the toy broke"),)
    assert (found.covered, found.estimated, found.seconds) == ({"stc@paper"}, frozenset(), 0.0)
    warning = cpu_warning(runs[0], data)
    assert warning is not None
    assert "how many is not known (RuntimeError: the toy broke)" in warning


@pytest.mark.usefixtures("counted")
def test_a_paper_configuration_on_a_cpu_is_warned_of(plan):
    runs, data = plan()
    warning = cpu_warning(runs[0], data)
    assert warning is not None
    assert warning.startswith("stc@paper is made for GPUs: about ")
    assert "on this CPU (1 TFLOP/s). Use --device cuda" in warning
    for device, methods in (("cuda", ("stc@paper",)), ("cpu", ("stc@tiny",))):
        runs, data = plan(device, methods)
        assert cpu_warning(runs[0], data) is None
    assert not is_paper(runs[0])
    runs, data = plan(overrides=(("train.iterations", "2"),))
    assert cpu_warning(runs[0], data) is None


@pytest.mark.usefixtures("counted")
@pytest.mark.parametrize("asked", [None, "bf16", "fp32"])
def test_every_run_is_estimated_in_its_own_precision(asked, plan, monkeypatch):
    """Without --precision, STC takes fp32 on a GPU and Mask2Former-VIS fp16, which saves six tenths."""
    words = {"stc": asked or "fp32", "mask2former_vis": asked or "fp16"}
    machines = {
        "fp32": replace(GPU, flops=1e12, assumed="slow in fp32"),
        "bf16": replace(GPU, flops=2e12, assumed="twice in bf16"),
        "fp16": replace(GPU, flops=4e12, assumed="fast in fp16"),
    }
    monkeypatch.setattr(module, "machine_of", lambda settings, word: machines[word])
    runs, data = plan("cuda:0", ("stc@paper", "mask2former_vis@paper"), precision=asked)
    texts = [text for _, text in unseen_forecast(runs, data, ("stc@paper", "mask2former_vis@paper"), 1).texts]
    for run in runs[:2]:
        method = run.method.rpartition(".")[2]
        work = work_of(run, data)
        assert work.half == (words[method] != "fp32")
        expected = estimate(work, machines[words[method]])
        line = next(text for text in texts if text.startswith(f"{method}@paper: "))
        assert line.startswith(f"{method}@paper: {long_duration(expected.seconds)}, ")
        assert f", {expected.memory_bytes / 1e9:.1f} GB memory" in line
    both = [machines[word].assumed for word in dict.fromkeys(words.values())]
    assert texts[-1].startswith(" and ".join(both) + "; ")


@pytest.mark.usefixtures("counted")
def test_the_line_about_a_card_takes_what_a_card_would_compute_in(plan):
    runs, data = plan(methods=("mask2former_vis@paper",))
    assert runs[0].precision == "fp32"
    text = dict(unseen_forecast(runs, data, ("mask2former_vis@paper",), 1).texts)["or"]
    assert "(15% of 990 TFLOP/s in fp16" in text


def test_memory_holds_a_shard_and_every_copy_of_the_weights(plan):
    def work(copies_of, **values):
        runs, data = plan(methods=(f"{copies_of}@paper",))
        train = SimpleNamespace(**{name: getattr(runs[0].config.train, name) for name in WANTED}, **values)
        config = SimpleNamespace(train=train, test_short_side=24, test_max_long_side=None)
        return plain_work(replace(runs[0], config=config), data, 7)

    # weights, gradients and momentum; AdamW has two numbers; no moving average in this protocol
    assert work("stc", shard_clips=None).copies == 3
    assert work("mask2former_vis", shard_clips=None).copies == 4
    # what is in memory at once is a shard, the whole batch where there are none
    assert work("stc", shard_clips=2).shard_clips == 2
    assert work("stc", shard_clips=None).shard_clips == load_spec("stc").configs["paper"].train.batch_size
    found = work("mask2former_vis", shard_clips=2)
    assert (found.train_clips, found.train_frames) == (6000 * 16, 6000 * 16 * 2)
    # two videos of four frames of 24x32 as they are
    assert (found.track_frames, found.track_scale) == (8, 24 * 32 / (640 * 360))


def test_without_a_card_the_data_sheet_is_taken(tmp_path, protocol, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    settings = Settings("shapes", "test", load_protocol(str(protocol)), tmp_path, device="cuda")
    card = machine_of(settings, "fp32")
    assert (card.flops, card.on_gpu, card.cores) == (pytest.approx(0.4 * 67e12), True, None)
    here = machine_of(replace(settings, device="cpu"), "fp32")
    assert "50% of the " in here.assumed
    assert here.assumed.endswith("that a convolution reaches here (1 thread)")


@pytest.mark.slow
def test_a_dry_run_counts_and_loads_for_real(vis_bench, tmp_path, monkeypatch, protocol):
    monkeypatch.setenv("VIS_BENCH_CACHE", str(tmp_path / "cache"))
    for split in ("train", "val"):
        write_split(tmp_path / "six", split, 2)
    code, out, err = vis_bench(
        "run", "--methods", "masktrack_rcnn@paper", "--dataset", tmp_path / "six", "--protocol", protocol,
        "--out", tmp_path / "runs", "--dry-run",
    )  # fmt: skip
    assert (code, out) == (0, "")
    assert all(len(line) <= 80 for line in err[err.index("estimate ") :].splitlines())
    text = " ".join(err.split())
    assert "masktrack_rcnn@paper: " in text
    assert "GB memory" in text
    assert "no earlier run to tell time" not in text
    assert len(list(Path(tmp_path / "cache/estimates").glob("*.json"))) == 2
