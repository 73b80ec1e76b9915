"""A device that is not there: models train and track on it, and every wait of the host for it is noted.

Tensors claim the device `meta` and compute on the CPU. What a GPU refuses is refused (a CPU tensor among
device tensors), and what makes the host wait for a GPU is counted with its line, so that a limit on transfers
can be asserted without a GPU.

    device = PretendDevice()
    model = device.place(model)
    clips = [device.place(clip) for clip in clips]
    with device:
        model.losses(clips)
    assert len(device.transfers) <= 5, device.report()

What is outside the `with` is not counted: `place` stands for weights that are there already and for clips
that were prefetched from pinned memory. Inside, a copy counts unless it comes from a tensor of `pin_memory`
and is asked for with `non_blocking=True`. Autograd works, since it does nothing special for `meta`; it aborts
for `cuda` where there is none.

The count is what `torch.cuda.set_sync_debug_mode` warns of, and a little more: writing a number under a mask
counts, although CUDA needs no wait for it, so that there is one rule for masks.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

NAME = "meta"
ROOT = Path(__file__).parents[2]
OURS = ("methods", "vis_bench")
COPIES = ROOT / "methods" / "layers" / "transfer.py"  # who asked for the copy is of interest
T = TypeVar("T")

# the size of the result depends on values, or a value is read: the host waits for the device
WAITS = {
    "aten._local_scalar_dense": "item, or bool, int, float of a tensor",
    "aten.nonzero": "nonzero",
    "aten.masked_select": "masked_select",
    "aten._unique": "unique",
    "aten._unique2": "unique",
    "aten.unique_dim": "unique",
    "aten.unique_consecutive": "unique",
    "aten.bincount": "bincount",
    "aten.isin": "isin",  # sorts by unique
    "aten.equal": "equal",
    "aten.multinomial": "multinomial",  # reads whether the weights are valid
    "torchvision.nms": "nms",
}
INDEXING = ("aten.index", "aten.index_put", "aten.index_put_", "aten._index_put_impl_")
MASKS = (torch.bool, torch.uint8)
# other operations take a number of the host as an argument of their kernel
UPLOADS_NUMBERS = ("aten.where", "aten.index_put", "aten.index_put_")
# their backward passes read whether there are zeros, but take another way for tensors like these
READ_IN_BACKWARD = (torch.prod, Tensor.prod, torch.cumprod, Tensor.cumprod)
PINNED = "lies_in_page_locked_memory"
MAKERS = (torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor)


class DeviceMix(RuntimeError):
    """A tensor on the host met a tensor on the device."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What made the host wait, and the innermost line of `methods` or `vis_bench` that asked for it."""

    kind: str
    place: str


class PretendTensor(Tensor):
    """Claims the device; `held` is the CPU tensor that it stands for."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> PretendTensor:
        tensor: PretendTensor = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=NAME,
        )
        tensor.held = held.detach()
        return tensor

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # outside the mode: computed and not counted
        return _compute(func, args, kwargs or {}, lambda kind: None)


class PretendDevice:
    """Counts transfers inside its `with` block; `transfers` holds them in order until `clear`."""

    def __init__(self) -> None:
        self.transfers: list[Transfer] = []
        self._calls, self._operations = _Calls(self), _Operations(self)

    def __enter__(self) -> PretendDevice:
        self._operations.__enter__()
        self._calls.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._calls.__exit__(*exception)
        self._operations.__exit__(*exception)

    def place(self, value: T) -> T:
        """A tensor, a module (in place) or a dataclass of tensors on the device, without a transfer."""
        if isinstance(value, PretendTensor):
            return value
        if isinstance(value, Tensor):
            return PretendTensor(value)
        if isinstance(value, nn.Module):
            return _place_module(value)
        if is_dataclass(value):
            moved = {field.name: self.place(getattr(value, field.name)) for field in fields(value)}
            return replace(value, **moved)
        raise TypeError(f"a {type(value).__name__} cannot stand on a device")

    def note(self, kind: str) -> None:
        """Write one transfer down."""
        self.transfers.append(Transfer(kind, _place()))

    def clear(self) -> None:
        """Forget what was counted."""
        self.transfers.clear()

    def report(self) -> str:
        """Transfers by line, most first: one line each."""
        counted = Counter((transfer.place, transfer.kind) for transfer in self.transfers)
        lines = [f"{number:5d}  {place}: {kind}" for (place, kind), number in counted.most_common()]
        return "\n".join((f"{len(self.transfers)} transfers", *lines))


def held(tensor: Tensor) -> Tensor:
    """The values of a tensor on the device as a CPU tensor, without a transfer; for assertions."""
    return tensor.held if isinstance(tensor, PretendTensor) else tensor


def _place_module(module: nn.Module) -> nn.Module:
    """Parameters and buffers on the device; what is shared stays shared."""
    moved: dict[int, Tensor] = {}
    for part in module.modules():
        for name, value in part._parameters.items():
            if value is not None:
                if id(value) not in moved:
                    moved[id(value)] = nn.Parameter(PretendTensor(value.data), value.requires_grad)
                part._parameters[name] = moved[id(value)]
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = moved.setdefault(id(buffer), PretendTensor(buffer))
    return module


def _place() -> str:
    """FILE:LINE of the innermost frame in our packages, else of the innermost outside of torch(vision)."""
    frame, outside = sys._getframe(1), ""
    while frame is not None:
        path = frame.f_code.co_filename
        if path == str(COPIES):
            frame = frame.f_back
            continue
        if path.startswith(str(ROOT)) and Path(path).relative_to(ROOT).parts[0] in OURS:
            return f"{Path(path).relative_to(ROOT)}:{frame.f_lineno}"
        if not outside and path != __file__ and "/torch" not in path:
            outside = f"{Path(path).name}:{frame.f_lineno}"
        frame = frame.f_back
    return outside or "?"


class _Calls(TorchFunctionMode):
    """What never arrives as an operation: data that `meta` would throw away, and reads of memory."""

    def __init__(self, device: PretendDevice) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in MAKERS:
            return self._make(func, args, kwargs)
        if func is Tensor.pin_memory:
            return _pinned(args[0])
        if args and isinstance(args[0], PretendTensor):
            if func in (Tensor.numpy, Tensor.__array__):
                raise TypeError(f"can't convert a tensor on the device to numpy (at {_place()})")
            if func is Tensor.tolist:
                self.device.note("tolist")
                return args[0].held.tolist()
            if func in READ_IN_BACKWARD and args[0].requires_grad and torch.is_grad_enabled():
                self.device.note("backward pass of a product")
            if func in (Tensor.__getitem__, Tensor.__setitem__):
                args = (args[0], self._uploaded(args[1]), *args[2:])
                if func is Tensor.__setitem__ and _writes_number(*args[1:]):
                    # `cuda` alone makes a host tensor of the number, which index_put then uploads
                    self.device.note("upload of the number that is written")
        return func(*args, **kwargs)

    def _make(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        target = kwargs.pop("device", None)
        own = func is Tensor.new_tensor
        data = args[1] if own else args[0]
        if target is None and own and isinstance(args[0], PretendTensor):
            target = NAME
            kwargs.setdefault("dtype", args[0].dtype)
        if isinstance(data, Tensor):
            made = func(*args, **kwargs)
            return made if target is None else made.to(target)
        if _holds_pretend(data):
            # a list of device tensors: each of them is read
            data = _mapped(lambda x: x.item() if isinstance(x, PretendTensor) else x, data)
        made = torch.tensor(data, **kwargs) if own else func(data, *args[1:], **kwargs)
        if target is None or torch.device(target).type != NAME:
            return made
        self.device.note("upload of a list or array")
        return PretendTensor(made)

    def _uploaded(self, index: Any) -> Any:
        """Lists and arrays in an index are uploaded."""
        if isinstance(index, tuple):
            return tuple(self._uploaded(part) for part in index)
        if isinstance(index, list | range | np.ndarray):
            self.device.note("upload of an index")
            values = torch.as_tensor(np.asarray(index))
            return PretendTensor(values if values.numel() else values.long())
        return index


def _pinned(tensor: Tensor) -> Tensor:
    """A copy that is known to lie in page-locked memory; a view of it is not, to be on the safe side."""
    if isinstance(tensor, PretendTensor):
        raise RuntimeError(f"only tensors of the host can be pinned (at {_place()})")
    copy = tensor.clone()
    setattr(copy, PINNED, True)
    return copy


def _writes_number(index: Any, value: Any) -> bool:
    """x[tensor of integers] = number; slices and masks alone fill in place."""
    parts = index if isinstance(index, tuple) else (index,)
    numbered = any(isinstance(x, Tensor) and x.dim() and x.dtype not in MASKS for x in parts)
    return numbered and not isinstance(value, PretendTensor)


def _holds_pretend(data: Any) -> bool:
    return isinstance(data, list | tuple) and any(isinstance(x, PretendTensor) for x in _leaves(data))


def _leaves(value: Any) -> list[Any]:
    """What lists, tuples and dictionaries hold; torch's own walk takes longer than the small operations."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return [value]
    return [leaf for part in value for leaf in _leaves(part)]


def _mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """The same lists, tuples and dictionaries with changed leaves."""
    if isinstance(value, dict):
        return {key: _mapped(change, part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)([_mapped(change, part) for part in value])
    return change(value)


class _Operations(TorchDispatchMode):
    """Every operation below autograd."""

    def __init__(self, device: PretendDevice) -> None:
        super().__init__()
        self.device = device

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and importing the compiler takes seconds

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.is_inference_mode_enabled():
            # without autograd, operations that are made of others arrive whole
            with self:
                made_of_others = func.decompose(*args, **(kwargs or {}))
            if made_of_others is not NotImplemented:
                return made_of_others
        return _compute(func, args, kwargs or {}, self.device.note)


# views of normal tensors are refused results that were made in inference mode
@torch.inference_mode(False)
@torch.no_grad()
def _compute(func: Any, args: Any, kwargs: dict[str, Any], note: Callable[[str], None]) -> Any:
    """Run one operation on the CPU tensors; tensors that it makes on the device are wrapped."""
    leaves = _leaves((args, kwargs))
    on_device = [leaf for leaf in leaves if isinstance(leaf, PretendTensor)]
    on_host = [leaf for leaf in leaves if isinstance(leaf, Tensor) and not isinstance(leaf, PretendTensor)]
    target = kwargs.get("device")
    to_device = target is not None and torch.device(target).type == NAME
    if not on_device and not to_device:
        return func(*args, **kwargs)
    name = f"{func.namespace}.{func.overloadpacket.__name__}"
    wraps = True
    if name == "aten._to_copy":
        wraps = to_device or target is None
        if not wraps:
            note("copy to the host")
        elif on_host and not (kwargs.get("non_blocking") and all(hasattr(x, PINNED) for x in on_host)):
            note("upload of a tensor")
    elif name == "aten.copy_" and on_device and on_host:
        note("copy between devices")
        wraps = isinstance(args[0], PretendTensor)
    elif on_device:
        _refuse_mix(name, args, on_host, note)
    if name in UPLOADS_NUMBERS and not to_device and any(not tensor.dim() for tensor in on_host):
        note("upload of a number")
    _note_waits(name, func, args, kwargs, note)
    if to_device:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    owners = {id(leaf.held): leaf for leaf in on_device}
    args, kwargs = _mapped(lambda x: x.held if isinstance(x, PretendTensor) else x, (args, kwargs))
    result = func(*args, **kwargs)
    if not wraps:
        return result
    # an operation in place gives back the tensor that it was given
    return _mapped(
        lambda x: (owners[id(x)] if id(x) in owners else PretendTensor(x)) if isinstance(x, Tensor) else x,
        result,
    )


def _refuse_mix(name: str, args: Any, on_host: list[Tensor], note: Callable[[str], None]) -> None:
    """Host tensors with dimensions may be indices (they are uploaded) and nothing else; scalars may be."""
    strangers = [tensor for tensor in on_host if tensor.dim()]
    if name in INDEXING:
        indices = [x for x in args[1] if isinstance(x, Tensor) and not isinstance(x, PretendTensor)]
        if isinstance(args[0], PretendTensor):
            for _ in indices:
                note("upload of an index")
            strangers = [x for x in strangers if not any(x is index for index in indices)]
    if strangers:
        shapes = ", ".join(str(list(tensor.shape)) for tensor in strangers)
        raise DeviceMix(f"{name} mixes devices: host tensors {shapes} among device tensors (at {_place()})")


def _note_waits(name: str, func: Any, args: Any, kwargs: Any, note: Callable[[str], None]) -> None:
    if name in WAITS:
        note(WAITS[name])
    elif name == "aten.repeat_interleave" and func._overloadname in ("Tensor", "self_Tensor"):
        if kwargs.get("output_size") is None:
            note("repeat_interleave by a tensor")
    elif name in INDEXING and any(isinstance(x, Tensor) and x.dtype in MASKS for x in args[1]):
        note("reading by a mask" if name == "aten.index" else "writing by a mask")
