"""Training in phases: what carries over, what starts anew, and resuming in any of them."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from phased_method import Phased, PhasedConfig, PixelLoss, phase
from torch import nn

from vis_bench.data import catalog
from vis_bench.engine.training import auxiliary
from vis_bench.engine.training import loop as train_module
from vis_bench.engine.training.clips.sampler import ClipSampler
from vis_bench.engine.training.loop import TrainJob, train_method
from vis_bench.engine.training.optimizer import learning_rate
from vis_bench.errors import MethodError
from vis_bench.setup.protocol import Protocol, Training

METHOD = f"{Path(__file__).parents[1] / 'phased_method.py'}:SPEC"
CONFIG = PhasedConfig()
PARTS = ("backbone.", "first.")


@pytest.fixture
def dataset(squares):
    return catalog.open_dataset(str(squares), "train")


def protocol(**training):
    return Protocol(name="p", about="", config="default", training=Training(**training))


def build():
    torch.manual_seed(0)
    model = Phased(CONFIG, 1)
    model.backbone.channels = {}
    return model


def train(dataset, folder, model=None, later=CONFIG.later_training, progress=lambda *_: None, **training):
    model = build() if model is None else model
    job = TrainJob(CONFIG.train, dataset, protocol(**training), 5, "cpu", later_training=later)
    return model, {k: v.clone() for k, v in train_method(model, job, folder, progress).items()}


def equal(first, second, prefixes=("",)):
    names = [name for name in first if name.startswith(tuple(prefixes))]
    return all(torch.equal(first[name], second[name]) for name in names)


def test_a_later_phase_starts_from_the_evaluated_weights_and_trains_what_is_left(dataset, tmp_path):
    _, averaged = train(dataset, tmp_path / "one", later=(), ema_decay=0.8)
    _, last = train(dataset, tmp_path / "raw", later=())
    model, weights = train(dataset, tmp_path / "two", ema_decay=0.8)
    assert equal(model.at_entry, averaged)
    assert not equal(averaged, last, PARTS)
    # frozen parts keep their weights and their running statistics to the bit; the average leaves them alone
    assert equal(weights, averaged, PARTS)
    assert not torch.equal(weights["second.weight"], averaged["second.weight"])


def test_a_trained_model_computes_like_one_that_its_checkpoint_was_loaded_into(dataset, tmp_path):
    """Training changes the memory layout of convolutions: results of inference would differ in rounding."""
    model, _ = train(dataset, tmp_path)
    convolutions = [value for value in model.parameters() if value.dim() == 4]
    assert any(value.shape[1] > 1 and value.shape[2] > 1 for value in convolutions)
    assert all(value.is_contiguous() for value in convolutions)


def test_without_an_average_a_later_phase_goes_on_from_the_last_weights(dataset, tmp_path):
    _, last = train(dataset, tmp_path / "one", later=())
    model, weights = train(dataset, tmp_path / "two")
    assert equal(model.at_entry, last)
    assert equal(weights, last, PARTS)


def test_a_later_phase_has_an_average_of_its_own(dataset, tmp_path, monkeypatch):
    seen = []
    real = train_module.MovingAverage.update

    def record(self, model, step, **options):
        if model.phase and step == 0:
            seen.append((self.state["second.weight"].clone(), model.second.weight.detach().clone()))
        real(self, model, step, **options)
        if model.phase and step == 0:
            seen.append(self.state["second.weight"].clone())

    monkeypatch.setattr(train_module.MovingAverage, "update", record)
    train(dataset, tmp_path, ema_decay=0.8)
    (before, current), after = seen
    # step 0 of the phase: decay min(0.8, 1 / 10)
    torch.testing.assert_close(after, 0.1 * before + 0.9 * current)


def test_iterations_count_through_in_log_and_progress_and_rates_start_anew(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(train_module, "LOG_EVERY_ITERATIONS", 2)
    calls = []
    train(dataset, tmp_path, progress=lambda *call: calls.append(call))
    assert calls == [("train", done, 11) for done in range(1, 12)]
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    # every second iteration, and the last of each phase
    assert [(line["iteration"], line["phase"]) for line in lines] == [
        *[(i, 0) for i in (0, 2, 4, 5)],
        *[(i, 1) for i in (6, 8, 10)],
    ]
    later = CONFIG.later_training[0]
    expected = [learning_rate(CONFIG.train, i) for i in (0, 2, 4, 5)]
    assert [line["lr"] for line in lines] == expected + [learning_rate(later, i) for i in (0, 2, 4)]
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds)


def test_each_phase_cuts_its_own_clips_and_the_draws_go_on(dataset, tmp_path, monkeypatch):
    indices = []
    real = ClipSampler.clip
    monkeypatch.setattr(ClipSampler, "clip", lambda self, i: (indices.append(i), real(self, i))[1])
    model, _ = train(dataset, tmp_path)
    # 6 steps of two clips of 2 frames, 5 steps of one clip of 3
    assert indices == list(range(6 * 2 + 5))
    assert model.frames_seen == [2] * 6 + [3] * 5


@pytest.mark.parametrize(
    ("killed_in_step", "saved_phase", "saved_iteration"),
    [(5, 0, 3), (7, 0, 6), (9, 0, 6), (11, 1, 9)],
    ids=["first phase", "between the phases", "second phase, saved between", "second phase"],
)
def test_a_killed_training_ends_with_the_weights_of_an_undisturbed_one(
    dataset, tmp_path, monkeypatch, killed_in_step, saved_phase, saved_iteration
):
    settings = {"ema_decay": 0.8, "checkpoint_every_iterations": 3}
    _, undisturbed = train(dataset, tmp_path / "whole", **settings)
    real, steps = train_module.train_step, []

    def killed(*arguments):
        steps.append(1)
        if len(steps) == killed_in_step:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(train_module, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train(dataset, tmp_path / "killed", **settings)
    saved = torch.load(tmp_path / "killed" / "resume.pt")
    assert (saved["phase"], saved["iteration"]) == (saved_phase, saved_iteration)
    _, resumed = train(dataset, tmp_path / "killed", **settings)
    # the killed step counts too; what was done before the saved state is not done again
    assert len(steps) == killed_in_step + 11 - saved_iteration
    assert equal(undisturbed, resumed)
    assert not (tmp_path / "killed" / "resume.pt").exists()
    logs = [(tmp_path / run / "train.jsonl").read_text().splitlines() for run in ("whole", "killed")]
    first, second = ([without_times(json.loads(line)) for line in log] for log in logs)
    assert first == second


def without_times(line):
    times = ("seconds", "clips_per_second", "waiting_seconds")
    return {name: value for name, value in line.items() if name not in times}


def test_the_auxiliary_loss_is_paid_only_while_the_backbone_learns(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(auxiliary, "load_recipe", lambda reference: PixelLoss)
    model, _ = train(dataset, tmp_path, auxiliary="phased_method:PixelLoss")
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert [(line["phase"], "auxiliary" in line["losses"]) for line in lines] == [
        (0, True),
        (0, True),
        (1, False),
    ]
    assert not model.backbone._forward_hooks


def test_the_auxiliary_head_comes_back_with_the_weights_it_had(dataset, tmp_path, monkeypatch):
    """Phases 0 and 2 train the backbone, phase 1 does not; a kill in phase 1 must not lose the head."""

    class Thawed(Phased):
        def enter_phase(self, number):
            super().enter_phase(number)
            self.backbone.requires_grad_(number == 2)

    def run(folder):
        torch.manual_seed(0)
        model = Thawed(CONFIG, 1)
        model.backbone.channels = {}
        later = (*CONFIG.later_training, phase(3, 0.01))
        return train(dataset, folder, model, later=later, auxiliary="x:y", checkpoint_every_iterations=4)[1]

    monkeypatch.setattr(auxiliary, "load_recipe", lambda reference: PixelLoss)
    undisturbed = run(tmp_path / "whole")
    real, steps = train_module.train_step, []

    def killed(*arguments):
        steps.append(1)
        if len(steps) == 10:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(train_module, "train_step", killed)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed")
    assert equal(undisturbed, run(tmp_path / "killed"))


def test_a_method_that_cannot_enter_a_phase_is_refused_before_training(dataset, tmp_path):
    model = build()
    model.enter_phase = None
    with pytest.raises(MethodError, match="no enter_phase"):
        train(dataset, tmp_path, model)
    assert model.frames_seen == []


def test_a_phase_without_anything_to_train_is_an_error(dataset, tmp_path):
    class Frozen(Phased):
        def enter_phase(self, number):
            self.requires_grad_(False)

    with pytest.raises(MethodError, match="phase 1 of the training has no parameter"):
        train(dataset, tmp_path, Frozen(CONFIG, 1))


def test_a_run_trains_all_phases_and_its_identity_covers_them(vis_bench, squares, protocol_file, tmp_path):
    def run(method):
        code, _, err = vis_bench(
            "run", "--methods", method, "--dataset", squares, "--split", "val", "--protocol", protocol_file,
            "--out", tmp_path / "runs",
        )  # fmt: skip
        assert code == 0, err

    run(METHOD)
    (record,) = [json.loads(p.read_text()) for p in tmp_path.glob("runs/squares-val/**/record.json")]
    # 3 * 2 * 9 + 2, 2 + 2, twice 2 + 1: what is trained in any phase
    assert record["parameters"] == {"total": 66, "trainable": 66}
    assert len(record["config_values"]["later_training"]) == 1
    (log,) = tmp_path.glob("runs/trained/*/train.jsonl")
    assert json.loads(log.read_text().splitlines()[-1])["iteration"] == 10
    run(f"{METHOD}@longer")
    assert len(list(tmp_path.glob("runs/trained/*"))) == 2


def test_one_phase_is_what_it_was(dataset, tmp_path):
    """A method that never heard of phases: the log says phase 0, and nothing else is asked of it."""

    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.filter = nn.Conv2d(3, 1, 1)

        def losses(self, clips):
            return {"x": self.filter(clips[0].frames.float()).square().mean()}

    train(dataset, tmp_path, Plain(), later=())
    lines = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text().splitlines()]
    assert {line["phase"] for line in lines} == {0}
    assert {field.name: field.default for field in dataclasses.fields(TrainJob)}["later_training"] == ()


@pytest.fixture
def protocol_file(tmp_path):
    path = tmp_path / "plain.toml"
    path.write_text('name = "plain"\nabout = "test"\nconfig = "default"\n')
    return path
