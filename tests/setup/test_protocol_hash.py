"""What a protocol is called in records: only what is set and can change a number."""

from typing import Any

import pytest
from pydantic import Field

from vis_bench.setup.config import config_hash
from vis_bench.setup.protocol import (
    Extra,
    ImageRules,
    Initialisation,
    Protocol,
    Training,
    load_protocol,
    protocol_names,
)
from vis_bench.setup.schedule import Schedule

SHIPPED = {
    "paper": "7e37cf69bfab861e1e374ff0897e801decb723cc1587bf665224d3ebe5855ae0",
    "shapes": "5cd4c37895a6b442a6e1ba094423a06071722e0de7c0e45b7a2c76f7ea818018",
    "shapes-quick": "ad3b0582220025efa257fed8cc1324848037f15552a536f3576f2189ca3c4652",
    "shapes-v1": "a0fba4a62855ca46c25282ed88840b10622799d5e6880e58dba082d7a73729ea",
    "video": "90af21ee1655e4312876dafce69ff46ce3edd19badf2847f62c72431c78e6790",
    "video-quick": "344707082a2ddef6d9340be62332e4d08f3a59157781f7dc1e2333bc6952ca2c",
}
"""Records name these: a hash that changes parts their tables from those of later runs. Change one only with
the protocol itself."""


def test_the_shipped_protocols_keep_their_hashes() -> None:
    assert {name: load_protocol(name).content_hash() for name in protocol_names()} == SHIPPED


class LaterTraining(Training):
    precision: str = "fp32"


class LaterProtocol(Protocol):
    training: Training = LaterTraining()
    sampling: dict[str, Any] = Field(default_factory=dict)


def made(kind: type[Protocol], **values: Any) -> str:
    return kind(name="p", about="", config="tiny", **values).content_hash()


def test_a_field_added_later_changes_no_protocol_that_does_not_set_it() -> None:
    assert made(LaterProtocol) == made(Protocol)
    assert made(LaterProtocol, sampling={"a": 1}) != made(Protocol)
    assert made(LaterProtocol, training=LaterTraining(precision="bf16")) != made(Protocol)


def test_every_field_at_its_default_is_left_out():
    spelled_out = {
        "threads_per_job": 1,
        "overrides": {},
        "training": Training(auxiliary_weight=1.0),
        "initialisation": Initialisation(),
        "image_stage": None,
        "train": Schedule(),
        "train_dataset": None,
    }
    assert made(Protocol, **spelled_out) == made(Protocol) == config_hash({"config": "tiny"})
    assert made(Protocol, image_stage=ImageRules(images=8)) == config_hash(
        {"config": "tiny", "image_stage": {"images": 8}}
    )


@pytest.mark.parametrize(
    "values",
    [
        {"threads_per_job": 2},
        {"train": Schedule(frames=120)},
        {"image_stage": ImageRules(images=8, seed=1)},
        {"train_dataset": "shapes"},
        {"overrides": {"train.lr": 1.0}},
        {"training": Training(ema_decay=0.5)},
        {"training": Training(extra=Extra(path="a"))},
    ],
)
def test_what_can_change_a_number_changes_the_hash(values: dict[str, Any]) -> None:
    assert made(Protocol, **values) != made(Protocol)


def test_names_prose_and_places_do_not() -> None:
    extra = [Training(extra=Extra(path=path, images=images)) for path, images in (("a", None), ("b", "c"))]
    assert made(Protocol, training=extra[0]) == made(Protocol, training=extra[1])
    assert made(Protocol, datasets=("shapes",), not_from_a_paper="x") == made(Protocol)
    places = [ImageRules(data="coco", images=8, path=path) for path in (None, "a", "b")]
    assert len({made(Protocol, image_stage=rules) for rules in places}) == 1
