"""Texts that name methods of foreign frameworks, and what of detectron2 is read without detectron2."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import nn

from vis_bench.errors import DataError, MethodError, UsageError
from vis_bench.integrations.detectron2.config_file import read_config, value_at
from vis_bench.integrations.detectron2.install import INSTALL
from vis_bench.integrations.detectron2.model import tracks_of
from vis_bench.integrations.detectron2.place import Place, parse_place
from vis_bench.integrations.detectron2.projects import PROJECTS, known_project
from vis_bench.integrations.frames import rule_named
from vis_bench.integrations.native import Native, load_native
from vis_bench.setup.config import choose_config
from vis_bench.setup.frameworks import needs_weights, parse_reference, with_options
from vis_bench.setup.plugins import expand_methods, load_spec, short_name, split_variant


def test_a_reference_carries_its_options_through_one_text(tmp_path: Path) -> None:
    config = tmp_path / "r50.yaml"
    config.write_text("{}")
    given = {"project": "minvis:add_a,add_b", "associate": None}
    (text, other) = with_options([f"detectron2:{config}", "stc"], given)
    assert other == "stc"
    # no comma, so that it survives a list of methods
    assert list(expand_methods(f"{text},stc")) == [text, "stc"]
    everything = list(expand_methods("all"))
    assert list(expand_methods(f"all,{text},stc")) == [*everything, text]
    found = parse_reference(text)
    assert found is not None
    assert (found.prefix, found.place) == ("detectron2", str(config))
    assert dict(found.options) == {"project": "minvis:add_a,add_b"}
    assert split_variant(text) == (text, None)
    assert short_name(text) == "detectron2:r50"


def test_several_rules_are_several_methods() -> None:
    names = with_options(["hf:a/b"], {"associate": "stc, masktrack_rcnn"})
    assert names == ["hf:a/b?associate=stc", "hf:a/b?associate=masktrack_rcnn"]
    assert needs_weights([*names, "stc", "detectron2:x.yaml"]) == ["stc", "detectron2:x.yaml"]


@pytest.mark.parametrize(
    ("names", "given", "said"),
    [
        (["stc"], {"associate": "stc"}, "--associate is for methods of foreign code (detectron2:, hf:)"),
        (["hf:a/b"], {"project": "x"}, "--project is for methods of foreign code (detectron2:)"),
        (["hf:a/b?prompts=truth"], {}, "no option 'prompts' of hf. Did you mean 'prompt'?"),
        (["detectron2:"], {}, "what stands behind detectron2: has to be named"),
    ],
)
def test_options_that_nothing_takes(names, given, said) -> None:
    with pytest.raises(UsageError, match=said.replace("(", r"\(").replace(")", r"\)")[:40]):
        with_options(names, given)


def test_without_detectron2_one_command_is_named(vis_bench, squares, tmp_path, monkeypatch) -> None:
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "detectron2" else real(name, *rest)
    )
    config = tmp_path / "x.yaml"
    config.write_text("{}")
    (tmp_path / "w.pth").touch()
    code, _, err = vis_bench(
        "run", "-m", f"detectron2:{config}", "--weights", tmp_path / "w.pth", "--no-train", "-d", squares
    )
    assert code == 4
    assert INSTALL in " ".join(err.split())


def test_a_configuration_is_read_with_what_it_is_based_on(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "base.yaml").write_text("MODEL: {META_ARCHITECTURE: A, MASK_ON: true}\nINPUT: {FORMAT: BGR}")
    (tmp_path / "own.yaml").write_text("_BASE_: base.yaml\nMODEL: {META_ARCHITECTURE: B}")
    content = read_config(tmp_path / "own.yaml")
    assert content == {"MODEL": {"META_ARCHITECTURE": "B", "MASK_ON": True}, "INPUT": {"FORMAT": "BGR"}}
    assert value_at(content, "MODEL.META_ARCHITECTURE") == "B"
    assert value_at(content, "MODEL.NOTHING.HERE") is None
    # CTVIS names several, the later on top
    (tmp_path / "other.yaml").write_text("INPUT: {FORMAT: RGB, SIZE: 360}")
    (tmp_path / "both.yaml").write_text("_BASE_: [own.yaml, other.yaml]\nMODEL: {MASK_ON: false}")
    assert read_config(tmp_path / "both.yaml") == {
        "MODEL": {"META_ARCHITECTURE": "B", "MASK_ON": False},
        "INPUT": {"FORMAT": "RGB", "SIZE": 360},
    }


def test_a_configuration_runs_nothing(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    mark = tmp_path / "ran"
    path = tmp_path / "bad.yaml"
    path.write_text(f'A: !!python/object/apply:os.system ["touch {mark}"]')
    with pytest.raises(DataError, match="no YAML of plain values"):
        read_config(path)
    assert not mark.exists()
    path.write_text("_BASE_: bad.yaml")
    with pytest.raises(DataError, match="based on itself"):
        read_config(path)


def test_places_of_projects(tmp_path: Path) -> None:
    package = tmp_path / "minvis"
    package.mkdir()
    (package / "__init__.py").touch()
    assert parse_place(None) == Place()
    # a checkout goes on the path itself, a package is found in the folder above it
    assert parse_place(str(tmp_path)) == Place(tmp_path)
    assert parse_place(f"{package}:add_a, add_b") == Place(tmp_path, "minvis", ("add_a", "add_b"))
    assert parse_place("minvis:add_a").references == ("minvis:add_a",)
    with pytest.raises(UsageError, match="is no package"):
        parse_place(f"{tmp_path}:add_a")
    with pytest.raises(UsageError, match="no such folder"):
        parse_place(str(tmp_path / "none"))


def test_the_table_of_projects() -> None:
    names = [architecture for project in PROJECTS for architecture in project.architectures]
    assert len(names) == len(set(names))
    project = known_project("VideoMaskFormer_frame")
    assert project is not None
    assert (project.title, project.videos) == ("MinVIS", True)
    assert project.licence == "NVIDIA Source Code License-NC (non-commercial)"
    assert project.functions[-1] == "minvis:add_minvis_config"
    assert known_project("Unheard") is None


def test_masks_of_projects_as_tensors_and_as_lists() -> None:
    mask = torch.zeros(2, 3, 4, dtype=torch.bool)
    mask[0, 1, 2] = True
    listed = [mask[0].float(), None]
    output = {"pred_scores": [0.5, 0.25], "pred_labels": [1, 0], "pred_masks": [mask, listed]}
    one, two = tracks_of(output)
    assert (one.label, one.score, two.label, two.score) == (1, 0.5, 0, 0.25)
    # the second frame has no pixel, or None: absent both times
    assert one.segmentations[1] is None
    assert two.segmentations == one.segmentations
    with pytest.raises(MethodError, match="has no 'pred_scores' but instances"):
        tracks_of({"instances": 1})


class _Wrapped(Native):
    def __init__(self) -> None:
        super().__init__()
        self.native = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))


def test_loading_into_a_model_of_others(tmp_path: Path) -> None:
    model, source, path = _Wrapped(), _Wrapped(), tmp_path / "w.pth"
    state = dict(source.state_dict())
    assert sorted(state)[:2] == ["0.bias", "0.weight"]
    torch.save({"model": {**state, "extra": torch.zeros(1)}, "iteration": 3}, path)
    start = load_native(model, path)
    assert (start.loaded, start.of, start.missing) == (7, 7, ())
    assert "1 tensors unused: extra" in start.source
    assert (model.native[0].weight == source.native[0].weight).all()
    # the statistics of a norm are no parameters, and may not be missing all the same
    torch.save({name: value for name, value in state.items() if name != "1.running_var"}, path)
    with pytest.raises(MethodError, match=r"missing, such as 1\.running_var"):
        load_native(model, path)
    torch.save({**state, "0.weight": torch.zeros(3, 2)}, path)
    with pytest.raises(MethodError, match=r"does not fit: size mismatch for 0\.weight"):
        load_native(model, path)
    torch.save({**state, "0.weight": torch.full((1, 2), torch.nan)}, path)
    with pytest.raises(MethodError, match=r"0\.weight holds NaN"):
        load_native(model, path)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("stc", "stc"),
        ("stc@tiny", "stc-tiny"),
        ("stc@tiny+crossvis-association", "stc-tiny-crossvis-association"),
    ],
)
def test_a_rule_has_a_name_by_which_it_is_chosen(asked: str, name: str) -> None:
    found, method, config = rule_named(asked, "a model")
    assert (found, method) == (name, "stc")
    spec = dataclasses.replace(load_spec("stc"), configs={found: config})
    assert choose_config(spec, None, found) == (found, config)
    assert choose_config(spec, found, "paper") == (found, config)
