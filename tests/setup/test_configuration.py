"""Configuration values from text, seeds by axis, protocols."""

from dataclasses import dataclass, field
from typing import Literal

import pytest

from vis_bench.errors import DataError, MethodError, UsageError
from vis_bench.method import ADDED_LATER
from vis_bench.setup.config import config_hash, override, parse_assignment, to_dict
from vis_bench.setup.plugins import load_spec
from vis_bench.setup.protocol import load_protocol, protocol_for_dataset, protocol_names, resolve_config
from vis_bench.setup.seeds import axis_seed, parse_seeds


@dataclass(frozen=True)
class Inner:
    rate: float = 0.1
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Outer:
    inner: Inner = field(default_factory=Inner)
    kind: Literal["mean", "sum"] = "mean"
    limit: int | None = None
    switch: bool = False
    name: str = "x"


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("inner.rate=1e-3", "inner.rate", 1e-3),
        ("inner.sizes=3,4,5", "inner.sizes", (3, 4, 5)),
        ("inner.sizes=", "inner.sizes", ()),
        ("inner.pair=0.5,0.25", "inner.pair", (0.5, 0.25)),
        ("kind=sum", "kind", "sum"),
        ("limit=7", "limit", 7),
        ("limit=none", "limit", None),
        ("switch=yes", "switch", True),
        ("switch=0", "switch", False),
        ("name=a=b", "name", "a=b"),
    ],
)
def test_text_becomes_the_type_of_the_field(text, path, value):
    changed = override(Outer(limit=3), dict([parse_assignment(text)]))
    for part in path.split("."):
        changed = getattr(changed, part)
    assert changed == value
    assert type(changed) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inner.rat=1", "Did you mean 'rate'"),
        ("inner=1", "cannot be set"),
        ("kind=max", "one of mean, sum"),
        ("limit=1.5", "whole number"),
        ("inner.rate=fast", "must be a finite number"),
        ("inner.rate=nan", "must be a finite number"),
        ("switch=perhaps", "true or false"),
        ("inner.pair=1", "needs 2 values"),
        ("name.first=x", "plain value"),
    ],
)
def test_wrong_assignments_say_what_is_allowed(text, message):
    with pytest.raises(UsageError, match=message):
        override(Outer(), dict([parse_assignment(text)]))


def test_protocol_overrides_skip_fields_that_a_method_lacks():
    changed = override(Outer(), {"nowhere": 1, "inner.sizes": [9], "inner.none": 2}, skip_unknown=True)
    assert changed == Outer(inner=Inner(sizes=(9,)))
    with pytest.raises(UsageError):
        override(Outer(), {"limit": "x"}, skip_unknown=True)


def test_hash_depends_on_values_only():
    assert config_hash(to_dict(Outer())) == config_hash(dict(reversed(to_dict(Outer()).items())))
    assert config_hash(to_dict(Outer())) != config_hash(to_dict(Outer(limit=1)))


def test_axis_seeds_are_stable_and_independent():
    # SHA-256 of "vis-bench/0/init/0" begins with these eight bytes; computed with sha256sum
    assert axis_seed(0, "init") == int("5952babf29d7c7a6", 16) >> 1
    seeds = {axis_seed(m, a, s) for m in (0, 1) for a in ("init", "data order") for s in (0, 1)}
    assert len(seeds) == 8


@pytest.mark.parametrize(("text", "seeds"), [("1", [0]), ("3", [0, 1, 2]), ("4,", [4]), ("2,0", [2, 0])])
def test_seeds(text, seeds):
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["0", "", "a", "1,1", "-1,2", "1 2", "1001", "1000000000"])
def test_wrong_seeds(text):
    with pytest.raises(UsageError):
        parse_seeds(text)


def test_every_shipped_protocol_loads_under_its_own_name():
    assert {"shapes", "video", "paper"} <= set(protocol_names())
    for name in protocol_names():
        assert load_protocol(name).name == name


def test_default_protocols():
    assert protocol_for_dataset("shapes-alike") == protocol_for_dataset("shapes-entering") == "shapes"
    assert protocol_for_dataset("shapes-v1") == "shapes-v1"
    assert load_protocol("shapes-v1").train_dataset == "shapes-v1"
    assert protocol_for_dataset("ovis") == "paper"
    assert protocol_for_dataset("./my/videos") == "video"


def test_protocol_hash_ignores_prose(tmp_path):
    base = 'name = "a"\nabout = "{}"\nconfig = "tiny"\nthreads_per_job = {}\n'
    for file, about, threads in (("a", "one", 1), ("b", "two", 1), ("c", "one", 2)):
        (tmp_path / f"{file}.toml").write_text(base.format(about, threads))
    first, second, third = (load_protocol(str(tmp_path / f"{name}.toml")).content_hash() for name in "abc")
    assert first == second != third


def test_a_protocol_with_an_unknown_field_is_refused(tmp_path):
    (tmp_path / "p.toml").write_text('name = "a"\nabout = ""\nconfig = "tiny"\nthread = 1\n')
    with pytest.raises(DataError, match="thread"):
        load_protocol(str(tmp_path / "p.toml"))


def test_a_field_added_later_is_written_only_where_it_differs():
    @dataclass(frozen=True)
    class Old:
        width: int = 8

    @dataclass(frozen=True)
    class New:
        width: int = 8
        low_memory: bool = field(default=False, metadata=ADDED_LATER)

    @dataclass(frozen=True)
    class Whole:
        parts: tuple = (New(), New(low_memory=True))

    assert config_hash(to_dict(New())) == config_hash(to_dict(Old()))
    assert to_dict(override(New(), {"low_memory": "true"})) == {"width": 8, "low_memory": True}
    assert to_dict(Whole()) == {"parts": [{"width": 8}, {"width": 8, "low_memory": True}]}


def test_a_configuration_that_is_named_keeps_its_frame_size_under_a_protocol_for_another_one():
    """The protocol `video` makes frames small for `tiny`; `paper` on a folder of videos stays the paper's."""
    protocol, spec = load_protocol("video"), load_spec("stc")
    assert protocol.overrides["test_short_side"] == 192
    sizes = {
        name: resolve_config(spec, name, protocol, ())[1].test_short_side
        for name in (None, "tiny", "no-contrastive", "tiny+no-contrastive", "paper", "paper+no-contrastive")
    }
    assert sizes == {
        None: 192, "tiny": 192, "no-contrastive": 192, "tiny+no-contrastive": 192, "paper": 360,
        "paper+no-contrastive": 360,
    }  # fmt: skip
    _, changed = resolve_config(spec, "paper", protocol, [("test_short_side", "240")])
    assert changed.test_short_side == 240


def test_the_only_configuration_of_a_method_is_that_of_every_protocol():
    spec = load_spec("docs/examples/pixel_classes.py:PixelClasses")
    (name,) = spec.configs
    protocol = load_protocol("video")
    for given in (None, name):
        train = resolve_config(spec, given, protocol, ())[1].train
        assert train.iterations == protocol.train.frames // (train.batch_size * train.sampling.frames)


def test_a_value_that_no_record_can_hold_is_the_methods_fault(tmp_path):
    @dataclass(frozen=True)
    class Odd:
        weights: object = tmp_path

    for value in (tmp_path, float("nan"), {1, 2}):
        with pytest.raises(MethodError, match="Odd cannot be written into a record"):
            to_dict(Odd(value))


def test_an_entry_point_that_names_nothing_is_a_method_error(tmp_path, monkeypatch):
    info = tmp_path / "halfway-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: halfway\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vis_bench.methods]\nhalfway = halfway_module:Missing\n")
    (tmp_path / "halfway_module.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MethodError, match=r"'halfway' \(entry point halfway_module:Missing\) cannot be"):
        load_spec("halfway")


def test_the_papers_configuration_has_the_schedule_of_the_data_set():
    """Public code of Mask2Former for video: 6,000 steps on YouTube-VIS 2019, 8,000 on 2021."""
    spec, protocol = load_spec("mask2former_vis"), load_protocol("paper")

    def steps(name, dataset):
        train = resolve_config(spec, name, protocol, (), dataset)[1].train
        return train.iterations, train.lr_steps

    assert steps(None, "ytvis19") == steps(None, "ovis") == (6_000, (4_000,))
    assert steps(None, "ytvis21") == steps("paper+r101", "ytvis21") == (8_000, (5_500,))
    assert steps("tiny", "ytvis21") == steps("tiny", None)
    changed = resolve_config(spec, None, protocol, [("train.iterations", "7")], "ytvis21")[1]
    assert changed.train.iterations == 7
