"""What a protocol is called in records: only what is set and can change a number."""

from typing import Any

import pytest
from pydantic import Field

from vis_bench.setup.protocol import Extra, Protocol, Training, load_protocol, protocol_names

SHIPPED = {
    "paper": "c1ea92931168534baeebba748bbe57bf61d2dbdd641b122499061744977f3410",
    "shapes": "dbbbdaa07ca9783ff6c1fe19fcae4b35838115c6ee77e5e72a9af43f073a3073",
    "shapes-quick": "e492f5aeb0eda3c50771c0d967a66c25e2c5f942b84f7434f39edd9196e49c82",
    "shapes-v1": "bf0fa2c952becdad96c74379d1b0e5f822fd9f9a2e4618a3e72bb34f93f86f8e",
    "video": "35b3ef4b51347bfa4116339ba4dd39d1ec2695603c7c28bd7805ce6ffa1e2006",
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


@pytest.mark.parametrize(
    "values",
    [
        {"threads_per_job": 2},
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
