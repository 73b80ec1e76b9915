"""One meaning of the words of --precision: which flags are set inside, and that nothing is left behind."""

from typing import get_args

import pytest
import torch

from vis_bench.engine.process.precision import PRECISIONS, precision, require_precision
from vis_bench.errors import UsageError
from vis_bench.records.speed import Precision


def flags():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


@pytest.fixture(autouse=True)
def _unchanged():
    before = flags()
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize("outside", [(False, True), (True, False), (True, True)])
@pytest.mark.parametrize("word", PRECISIONS)
@pytest.mark.filterwarnings("ignore:.*CUDA is not available.*")
def test_flags_are_those_of_the_word_and_are_put_back(word, outside):
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = outside
    with precision(word, "cuda:0"):
        assert flags() == (word == "tf32",) * 2
    assert flags() == outside
    with pytest.raises(ValueError), precision(word, "cuda:0"):
        raise ValueError
    assert flags() == outside


@pytest.mark.parametrize(("word", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_have_the_type_of_the_word(word, dtype):
    ones = torch.ones(2, 2)
    with precision(word, "cpu"):
        assert (ones @ ones).dtype == dtype
    assert (ones @ ones).dtype == torch.float32


def test_fp32_is_fp32_inside_of_anything():
    ones = torch.ones(2, 2)
    with precision("bf16", "cpu"), precision("fp32", "cpu"):
        assert (ones @ ones).dtype == torch.float32


def test_what_the_device_lacks_is_refused():
    for word in ("fp32", "bf16"):
        require_precision(word, "cpu")
    for word in PRECISIONS:
        require_precision(word, "cuda:99")
    for word in ("tf32", "fp16"):
        with pytest.raises(UsageError, match=f"--precision {word}: only CUDA devices have it"):
            require_precision(word, "cpu")
    with pytest.raises(UsageError, match=r"--precision 'bf61': must be fp32.* mean 'bf16'"):
        require_precision("bf61", "cpu")


@pytest.mark.parametrize(("capability", "has"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_a_card_without_tf32_is_refused(capability, has, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: {1: capability}[index])
    if has:
        require_precision("tf32", "cuda:1")
        return
    with pytest.raises(UsageError, match=r"cuda:1 has no TF32"):
        require_precision("tf32", "cuda:1")


def test_records_of_speed_know_the_same_words():
    assert get_args(Precision) == PRECISIONS
