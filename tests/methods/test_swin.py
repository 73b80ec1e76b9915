"""Swin Transformer: sizes, parameters, torchvision's numbers, shifted windows on odd sizes, weights."""

import pytest
import torch
from closeness import WHOLE_NETWORK, assert_close_to_largest, in_float64
from torchvision.models import swin_b, swin_s, swin_t

from methods.layers import swin
from methods.layers.backbone import STRIDES, build_backbone
from methods.layers.backbone_config import BackboneConfig
from methods.layers.mask2former_names import swin_name
from methods.layers.pixel_decoder import PixelDecoder
from methods.layers.pretraining import imagenet_weights
from vis_bench.engine.training.optimizer import parameter_groups
from vis_bench.errors import MethodError, UsageError
from vis_bench.method import TrainConfig


def config(name="swin_t", **changes):
    return BackboneConfig(name=name, frozen_stages=0, **changes)


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.fixture
def micro(monkeypatch):
    """A Swin of 4, 8, 16, 32 channels and windows of 3 cells under the name swin_t."""
    monkeypatch.setattr(swin, "SIZES", {"swin_t": swin.SwinSize(4, (2, 2, 2, 2), (1, 2, 2, 4), 3)})
    torch.manual_seed(0)
    return swin.Swin(config()).eval()


@pytest.mark.parametrize(("name", "reference"), [("swin_t", swin_t), ("swin_s", swin_s), ("swin_b", swin_b)])
def test_parameters_against_torchvision(name, reference):
    """torchvision's body, a LayerNorm per output, and a bias table of 23^2 rows where the window is 12."""
    with torch.device("meta"):
        ours, theirs = build_backbone(config(name)), reference()
    size = swin.SIZES[name]
    norms = sum(2 * size.embed * 2**i for i in range(4))
    blocks_times_heads = sum(d * h for d, h in zip(size.depths, size.heads, strict=True))
    wider = ((2 * size.window - 1) ** 2 - 13**2) * blocks_times_heads
    assert count(ours) == count(theirs.features) + norms + wider


def test_parameters_of_swin_l_by_hand():
    """Stage of width c with h heads: 12 c^2 + 13 c + 529 h per block, merging 8 c^2 + 8 c into 2 c."""
    total = 3 * 16 * 192 + 192 + 2 * 192
    for c, depth, heads in ((192, 2, 6), (384, 2, 12), (768, 18, 24), (1536, 2, 48)):
        total += depth * (12 * c * c + 13 * c + 529 * heads) + 2 * c
    total += sum(8 * c * c + 8 * c for c in (192, 384, 768))
    with torch.device("meta"):
        assert count(build_backbone(config("swin_l"))) == total == 195_201_204


@pytest.mark.parametrize(("name", "parameters"), [("swin_t", 5_421_504), ("swin_l", 5_790_144)])
def test_pixel_decoder_on_its_channels(name, parameters):
    """Source: specification 7.3."""
    with torch.device("meta"):
        assert count(PixelDecoder(build_backbone(config(name)).channels)) == parameters


@in_float64()
def test_features_equal_torchvisions():
    """Same weights, no map inside one window: the same numbers. 252x308 is no multiple of 32."""
    torch.manual_seed(0)
    theirs = swin_t().eval()
    for parameter in theirs.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    ours = swin.Swin(config()).eval()
    ours.load_state_dict(swin.from_public(theirs.state_dict(), config()))
    x = torch.randn(1, 3, 252, 308)
    with torch.no_grad():
        features = ours(x)
        expected = x
        for i, module in enumerate(theirs.features):
            expected = module(expected)
            if i % 2:
                plain = torch.nn.functional.layer_norm(expected, expected.shape[-1:]).permute(0, 3, 1, 2)
                assert_close_to_largest(features[f"res{i // 2 + 2}"], plain, terms=WHOLE_NETWORK)
    assert [tuple(f.shape[-2:]) for f in features.values()] == [(63, 77), (32, 39), (16, 20), (8, 10)]


def test_strides_widths_and_padding(micro):
    even = micro(torch.randn(1, 3, 64, 96))
    assert {name: 64 // x.shape[-2] for name, x in even.items()} == STRIDES
    assert {name: x.shape[1] for name, x in even.items()} == micro.channels
    odd = micro(torch.randn(1, 3, 37, 70))
    assert [tuple(x.shape[-2:]) for x in odd.values()] == [(10, 18), (5, 9), (3, 5), (2, 3)]


def test_one_layer_norm_per_output(micro):
    for name, x in micro(torch.randn(1, 3, 64, 64)).items():
        assert x.mean(1).abs().max() < 1e-4, name
        # not quite 1, since 1e-5 is added to the small variances of an untrained network
        torch.testing.assert_close(x.var(1, unbiased=False), torch.ones_like(x[:, 0]), atol=2e-2, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (3, 8), (2, 2), (6, 9)])
@pytest.mark.parametrize("shift", [0, 1])
def test_attention_against_loops(height, width, shift):
    """Each cell sees the cells of its own window of the displaced grid, padding included.

    The displaced grid's windows start at shift - window, shift, shift + window, ... on the padded map; what
    the cyclic shift brings together from both ends stays apart. Even a map inside one window is cut so.
    """
    torch.manual_seed(1)
    window, heads, dim = 3, 2, 4
    attention = swin.WindowAttention(dim, [window] * 2, [shift] * 2, heads).double()
    torch.nn.init.normal_(attention.relative_position_bias_table)
    x = torch.randn(1, height, width, dim, dtype=torch.float64)
    rows, columns = height + -height % window, width + -width % window
    tokens = torch.zeros(rows, columns, dim, dtype=torch.float64)
    tokens[:height, :width] = x[0]
    qkv = tokens @ attention.qkv.weight.T + attention.qkv.bias
    table = attention.relative_position_bias_table

    def home(i):
        return (i - shift) // window

    expected = torch.zeros(height, width, dim, dtype=torch.float64)
    for y in range(height):
        for col in range(width):
            seen = [
                (v, u)
                for v in range(rows)
                for u in range(columns)
                if home(v) == home(y) and home(u) == home(col)
            ]
            mixed = []
            for head in range(heads):
                part = slice(head * 2, head * 2 + 2)
                query = qkv[y, col, :dim][part] / 2**0.5
                logits = torch.stack(
                    [
                        query @ qkv[v, u, dim : 2 * dim][part] + table[(y - v + 2) * 5 + (col - u + 2), head]
                        for v, u in seen
                    ]
                )
                values = torch.stack([qkv[v, u, 2 * dim :][part] for v, u in seen])
                mixed.append(logits.softmax(0) @ values)
            expected[y, col] = attention.proj(torch.cat(mixed))
    torch.testing.assert_close(attention(x)[0], expected, atol=1e-10, rtol=1e-10)


def test_drop_path_rises_to_its_rate():
    with torch.device("meta"):
        body = build_backbone(config("swin_t", drop_path=0.22)).body
    rates = [block.stochastic_depth.p for i in (1, 3, 5, 7) for block in body[i]]
    assert rates == pytest.approx([0.02 * i for i in range(12)])


def test_position_biases_do_not_decay():
    train = TrainConfig(1, 1, "adamw", 0.1, weight_decay=0.05, norm_weight_decay=0.0)
    with torch.device("meta"):
        model = build_backbone(config())
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    decay = {names[id(p)]: g["weight_decay"] for g in parameter_groups(model, train) for p in g["params"]}
    tables = [name for name in decay if name.endswith("relative_position_bias_table")]
    assert len(tables) == 12
    assert all(decay[name] == 0 for name in tables)
    assert decay["body.1.0.attn.qkv.weight"] == 0.05


def test_freezing():
    with torch.device("meta"):
        built = build_backbone(BackboneConfig(name="swin_t", frozen_stages=2))
        free = build_backbone(config())
    fixed = {".".join(n.split(".")[:2]) for n, p in built.named_parameters() if not p.requires_grad}
    assert fixed == {"body.0", "body.1"}
    assert all(p.requires_grad for p in free.parameters())


def as_released(state):
    """Our names -> those of the authors' release and detectron2's port."""
    names = {}
    for name in state:
        part, *rest = name.split(".")
        rest = ".".join(rest).replace("mlp.0.", "mlp.fc1.").replace("mlp.3.", "mlp.fc2.")
        number, _, tail = rest.partition(".")
        if part == "norms":
            names[name] = f"norm{int(number[3:]) - 2}.{tail}"
        elif number == "0":
            names[name] = f"patch_embed.{'proj' if tail.startswith('0') else 'norm'}.{tail[2:]}"
        elif int(number) % 2:
            names[name] = f"layers.{int(number) // 2}.blocks.{tail}"
        else:
            names[name] = f"layers.{int(number) // 2 - 1}.downsample.{tail}"
    return {names[name]: value for name, value in state.items()}


def test_released_names_lead_back(micro):
    state = micro.state_dict()
    released = as_released(state)
    assert "layers.3.blocks.1.attn.relative_position_bias_table" in released
    released |= {"layers.0.blocks.1.attn_mask": torch.zeros(1), "head.weight": torch.zeros(1)}
    back = swin.from_public(released, config())
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_a_file_of_weights_initialises_and_a_misfit_is_refused(micro, tmp_path):
    path = tmp_path / "swin.pth"
    state = {name: value for name, value in micro.state_dict().items() if not name.startswith("norms.")}
    torch.save({"model": as_released(state)}, path)
    loaded = imagenet_weights(config(), {"file": str(path)}, tmp_path, "cpu", lambda *_: None)
    assert torch.equal(loaded["body.7.1.mlp.3.weight"], state["body.7.1.mlp.3.weight"])
    assert torch.equal(loaded["norms.res4.weight"], torch.ones(16))
    state["body.1.0.attn.relative_position_bias_table"] = torch.zeros(169, 1)
    torch.save(as_released(state), path)
    with pytest.raises(MethodError, match=r"window 3.*1 unknown or of another shape.*bias_table"):
        imagenet_weights(config(), {"file": str(path)}, tmp_path, "cpu", lambda *_: None)
    with pytest.raises(UsageError, match="no parameter of a Swin"):
        swin.own_name("layer1.0.conv1.weight")


@pytest.mark.parametrize(
    ("name", "window"), [("swin_b", None), ("swin_l", None), ("swin_l", 7), ("swin_t", 5)]
)
def test_what_torchvision_lacks_asks_for_a_file(name, window, tmp_path):
    shown = 12 if window is None else window
    with pytest.raises(MethodError, match=rf"{name} with window {shown}. Give a file"):
        imagenet_weights(config(name, window=window), {}, tmp_path, "cpu", lambda *_: None)


def test_another_window_changes_the_bias_table_only():
    """QueryInst's Swin-L has windows of 7 cells."""
    with torch.device("meta"):
        seven, twelve = (build_backbone(config("swin_l", window=w)).state_dict() for w in (7, None))
    changed = {name.rsplit(".", 1)[-1] for name in seven if seven[name].shape != twelve[name].shape}
    assert changed == {"relative_position_bias_table"}
    assert seven["body.1.0.attn.relative_position_bias_table"].shape == (169, 6)


def test_a_missing_or_unreadable_file_is_named(tmp_path):
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"no weights")
    for path in (broken, tmp_path / "absent.pth", tmp_path / "absent.safetensors"):
        with pytest.raises(MethodError, match=path.name):
            imagenet_weights(config(), {"file": str(path)}, tmp_path, "cpu", lambda *_: None)
    torch.save({"layer1.0.conv1.weight": torch.zeros(2)}, broken)
    with pytest.raises(MethodError, match=r"do not fit resnet50 \(first: body\.conv1"):
        imagenet_weights(BackboneConfig(), {"file": str(broken)}, tmp_path, "cpu", lambda *_: None)


def test_names_of_a_published_mask2former(micro):
    """The same names under `backbone.` in a detectron2 checkpoint; buffers of windows have no counterpart."""
    for name, public in zip(micro.state_dict(), as_released(micro.state_dict()), strict=True):
        assert swin_name(f"backbone.{public}") == f"backbone.{name}"
    assert swin_name("backbone.layers.2.blocks.5.attn.relative_position_index") is None
