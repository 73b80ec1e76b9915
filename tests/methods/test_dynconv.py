"""Dynamic convolution: sizes and agreement with QueryInst's numbers."""

from pathlib import Path

import pytest
import torch
from closeness import STORED_IN_FLOAT32, WHOLE_NETWORK, assert_close_to_largest, in_float64
from safetensors.torch import load_file

from methods.layers.dynconv import QUERYINST_DYNAMIC_CONV, DynamicConv

FIXTURE = Path(__file__).parents[1] / "fixtures" / "parity_queryinst" / "heads.safetensors"


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("resolution", "project", "expected"), [(7, True, 11_634_048), (14, False, 8_422_016)]
)
def test_parameter_counts_of_the_public_modules(resolution, project, expected):
    with torch.device("meta"):
        assert parameters(DynamicConv(256, 64, resolution, project)) == expected


def test_without_projection_equals_queryinst():
    data = load_file(FIXTURE)
    module = DynamicConv(32, 8, 14, project=False).double()
    prefix = "dynamic_conv_noproj/"
    state = {}
    for name, value in data.items():
        if name.startswith(prefix + "state/"):
            layer, kind = name.removeprefix(prefix + "state/").rsplit(".", 1)
            state[f"{QUERYINST_DYNAMIC_CONV[layer]}.{kind}"] = value
    module.load_state_dict(state)
    output = module(data[prefix + "param_feature"].double(), data[prefix + "input_feature"].double())
    assert output.shape == (3, 196, 32)
    assert_close_to_largest(output.float(), data[prefix + "output"], terms=STORED_IN_FLOAT32)


def test_by_hand_with_one_cell_and_identity_norms():
    # W1 = (1, 2)^T, W2 = (3, 4): 5 * 1 + 6 * 2 = 17 -> relu -> (51, 68)
    module = DynamicConv(dim=2, hidden=1, resolution=1, project=False)
    module.norm_hidden = torch.nn.Identity()
    module.norm_out = torch.nn.Identity()
    with torch.no_grad():
        module.generate.weight.zero_()
        module.generate.bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    output = module(torch.zeros(1, 2), torch.tensor([5.0, 6.0]).view(1, 2, 1, 1))
    assert output.tolist() == [[[51.0, 68.0]]]


@in_float64()
def test_each_box_is_filtered_by_its_own_query():
    torch.manual_seed(0)
    module = DynamicConv(8, 4, 3)
    queries, roi = torch.randn(5, 8), torch.randn(5, 8, 3, 3)
    together = module(queries, roi)
    order = torch.tensor([3, 1, 4, 0, 2])
    assert_close_to_largest(module(queries[order], roi[order]), together[order], terms=WHOLE_NETWORK)
    assert module(queries[:0], roi[:0]).shape == (0, 8)
