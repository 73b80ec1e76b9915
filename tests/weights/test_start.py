"""Loading a start: strict but for what is declared, and honest about what was loaded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from vis_bench.errors import DataError, MethodError, UsageError
from vis_bench.method import ClassHead, StartRules
from vis_bench.records.run import Start
from vis_bench.weights.start import fit_state, load_start

RULES = StartRules(
    may_miss=(r"track\.",), may_be_unused=(r"criterion\.",), class_heads=(ClassHead(r"head\."),)
)


class Model(nn.Module):
    """A body, a class head and a tracking head."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.body = nn.Linear(2, 2)
        self.head = nn.Linear(2, classes)
        self.track = nn.Linear(2, 1)


def state(classes: int = 3, **changes: torch.Tensor) -> dict[str, torch.Tensor]:
    """A file: all of `Model` but the tracking head, every value 7."""
    names = {name: value for name, value in Model(classes).state_dict().items() if "track" not in name}
    return {name: torch.full_like(value, 7) for name, value in names.items()} | changes


def load(
    model: nn.Module, weights: dict[str, torch.Tensor], rules: StartRules = RULES, **options: Any
) -> Start:
    return load_start(model, weights, rules, source="a file", sha256="ab", **options)


def test_what_fits_is_loaded_and_what_may_be_missing_stays() -> None:
    model = Model()
    before = model.track.weight.clone()
    start = load(model, state())
    assert (start.loaded, start.of) == (4, 6)
    assert start.missing == ("track.bias", "track.weight")
    assert (start.sha256, start.source) == ("ab", "a file")
    assert (model.body.weight == 7).all()
    assert (model.head.bias == 7).all()
    assert torch.equal(model.track.weight, before)


def test_a_data_parallel_prefix_is_taken_off_and_said() -> None:
    start = load(Model(), {f"module.{name}": value for name, value in state().items()})
    assert start.loaded == 4
    assert start.source == "a file, names without `module.`"


def test_an_exact_fit_is_asked_for_without_rules() -> None:
    with pytest.raises(
        DataError, match=r"4 of 6 tensors fit Model, but missing: track\.weight, track\.bias\."
    ):
        load(Model(), state(), StartRules())
    exact = Model().state_dict()
    assert load(Model(), exact, StartRules()).missing == ()


def test_nothing_undeclared_is_dropped() -> None:
    without = state()
    del without["body.weight"]
    cases = {
        r"missing: body\.weight\.": without,
        r"unknown: neck\.weight\.": state() | {"neck.weight": torch.ones(1)},
        r"other shape: body\.weight \(5, 2\) instead of \(2, 2\)": state()
        | {"body.weight": torch.ones(5, 2)},
        # a head of another width is no head for other classes
        r"other shape: head\.weight \(3, 9\)": state() | {"head.weight": torch.ones(3, 9)},
        r"unknown: n0, n1, n2 and 2 more": state() | {f"n{i}": torch.ones(1) for i in range(5)},
    }
    for message, weights in cases.items():
        model = Model()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        with pytest.raises(DataError, match=message):
            load(model, weights)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_declared_names_may_be_unused() -> None:
    assert load(Model(), state() | {"criterion.empty_weight": torch.ones(1)}).loaded == 4


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_names_its_tensor(value: float) -> None:
    broken = torch.zeros(2, 2)
    broken[1, 0] = value
    with pytest.raises(MethodError, match=r"body\.weight holds NaN or infinite") as caught:
        load(Model(), state() | {"body.weight": broken})
    assert caught.value.exit_code == 4


def test_another_type_names_its_tensor() -> None:
    with pytest.raises(MethodError, match=r"body\.bias is int64, the model needs float32"):
        load(Model(), state() | {"body.bias": torch.ones(2, dtype=torch.int64)})


def test_counters_of_batches_may_be_missing() -> None:
    model = nn.BatchNorm2d(2)
    weights = {name: value for name, value in model.state_dict().items() if name != "num_batches_tracked"}
    holder = nn.Sequential(model)
    start = load(holder, {f"0.{name}": value for name, value in weights.items()}, StartRules())
    assert start.missing == ("0.num_batches_tracked",)


def test_a_head_of_other_classes_starts_anew() -> None:
    model = Model(3)
    before = model.head.weight.clone()
    start = load(model, state(5))
    assert start.loaded == 2
    assert start.missing == ("head.bias", "head.weight", "track.bias", "track.weight")
    assert torch.equal(model.head.weight, before)


def test_equal_numbers_of_other_classes_are_other_classes() -> None:
    names = {"classes": ["cat", "dog", "fox"], "state_classes": ["cat", "fox", "dog"]}
    assert "head.weight" in load(Model(), state(), **names).missing
    names["state_classes"] = names["classes"]
    assert "head.weight" not in load(Model(), state(), **names).missing


def test_rows_of_classes_with_equal_names_are_taken() -> None:
    model = Model(3)
    before = model.head.bias.clone()
    weights = state(5) | {"head.bias": torch.tensor([10.0, 11.0, 12.0, 13.0, 14.0])}
    start = load(
        model,
        weights,
        classes=["Giant_Panda", "lion", "dog"],
        state_classes=["person", "dog", "cat", "giant panda", "zebra"],
        class_rows="by-name",
    )
    assert start.loaded == 4
    assert model.head.bias.tolist() == [13.0, before[1].item(), 11.0]


@pytest.mark.parametrize(
    ("background", "given", "expected"),
    [
        # two rows a class; the file has classes a, b and c, the model c and a new one
        ("first", [0, 1, 10, 11, 20, 21, 30, 31], [0, 1, 30, 31, -1, -1]),
        ("last", [10, 11, 20, 21, 30, 31, 0, 1], [30, 31, -1, -1, 0, 1]),
        ("none", [10, 11, 20, 21, 30, 31], [30, 31, -1, -1]),
    ],
)
def test_rows_of_the_background_go_along(background: str, given: list[int], expected: list[int]) -> None:
    rules = StartRules(class_heads=(ClassHead("head", rows=2, background=background),))
    own = {"head": torch.full((len(expected),), -1.0)}
    fit = fit_state(
        own, {"head": torch.tensor(given).float()}, rules, ["c", "new"], ["a", "b", "c"], "by-name"
    )
    assert fit.values["head"].tolist() == expected
    assert own["head"].eq(-1).all()


def test_rows_by_name_need_names() -> None:
    with pytest.raises(UsageError, match="class names"):
        load(Model(), state(5), classes=["a", "b", "c"], class_rows="by-name")
