"""A method that starts from another's image stage takes all of it but what either calls new."""

from pathlib import Path

import pytest

from vis_bench.engine.image_stage import planned_stage, stage_part
from vis_bench.engine.image_stage_training import CLASSES_NAME, start_from
from vis_bench.engine.run import Settings
from vis_bench.engine.training.weights import save_weights
from vis_bench.errors import DataError
from vis_bench.files import write_json
from vis_bench.setup.plugins import build_method, load_spec
from vis_bench.setup.protocol import load_protocol, resolve_config

CLASSES = ("square", "disc", "star")


@pytest.fixture(params=["inspro_lite", "inspro_motr", "inspro_tbd"])
def shared(request, tmp_path):
    """A model, its method's declarations, and another method's stage with its weights."""
    given = load_protocol("shapes")
    spec = load_spec(request.param)
    chosen, config = resolve_config(spec, None, given, ())
    part = stage_part(request.param, spec, chosen, config, given)
    settings = Settings("shapes", "test", given, Path("runs"), cache_root=tmp_path)
    stage = planned_stage(part, {}, settings)
    weights = build_method(load_spec("inspro"), part.config, len(CLASSES)).state_dict()
    save_weights(stage.checkpoint, weights)
    write_json(stage.directory / CLASSES_NAME, list(CLASSES))
    return build_method(spec, config, len(CLASSES)), spec, stage, weights


def test_the_whole_stage_is_taken_over(shared):
    model, spec, stage, weights = shared
    start = start_from(model, stage, weights, spec, CLASSES)
    of_the_bank = [name for name in weights if name.startswith("attention.")]
    assert start.loaded == len(weights) - len(of_the_bank)
    assert start.loaded + len(start.missing) == start.of
    assert not any(name.startswith("backbone.") for name in start.missing)


@pytest.mark.parametrize("change", ["renamed", "dropped"])
def test_a_stage_that_does_not_fit_is_no_start(shared, change):
    model, spec, stage, weights = shared
    name = next(name for name in weights if name.startswith("stages.0.") and name.endswith("weight"))
    value = weights.pop(name)
    if change == "renamed":
        weights[f"moved.{name}"] = value
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        start_from(model, stage, weights, spec, CLASSES)
