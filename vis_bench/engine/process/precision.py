"""What a word of --precision means: flags of TF32 and mixed precision, the same for `run` and `speed`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from vis_bench.errors import UsageError, did_you_mean

PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
_CUDA_ONLY = {"tf32": "Use fp32 or bf16", "fp16": "Use bf16, which CPUs have too"}
# below it the flags of TF32 are accepted and change nothing
_TF32_CAPABILITY = (8, 0)


@contextmanager
def precision(word: str, device: str) -> Iterator[None]:
    """Compute in this precision while inside; afterwards every setting is what it was.

    word: one of PRECISIONS. fp32: no TF32, no mixed precision. tf32: matrix products and convolutions round
    their inputs to TF32. bf16, fp16: torch.autocast; what autocast leaves in 32 bit (losses and matching
    costs that ask for it) stays there for a reason, so TF32 is off. device: `cpu` or `cuda[:n]`. Nothing is
    checked here, see `require_precision`. Scaling of fp16 gradients is the training loop's.

    Source: torch, "TensorFloat-32 on Ampere (and later) devices" and "Automatic Mixed Precision".
    """
    import torch

    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    mixed = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(word)
    try:
        matmul.allow_tf32 = cudnn.allow_tf32 = word == "tf32"
        with torch.autocast(device.partition(":")[0], mixed, enabled=mixed is not None):
            yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


def require_precision(word: str, device: str) -> None:
    """Raise UsageError for an unknown word, and for a precision that the device does not have.

    device: `cpu` or `cuda[:n]`. A card that is not there is not looked at: that is said elsewhere.
    """
    if word not in PRECISIONS:
        known = ", ".join(PRECISIONS)
        raise UsageError(f"--precision {word!r}: must be {known}.{did_you_mean(word, PRECISIONS)}")
    on_cuda = device.startswith("cuda")
    if word in _CUDA_ONLY and not on_cuda:
        raise UsageError(
            f"--precision {word}: only CUDA devices have it. {_CUDA_ONLY[word]}, or --device cuda."
        )
    if word == "tf32" and on_cuda and not _has_tf32(device):
        raise UsageError(
            f"--precision tf32: {device} has no TF32 (it takes compute capability 8.0). Use fp32 or fp16."
        )


def _has_tf32(device: str) -> bool:
    try:
        import torch
    except ModuleNotFoundError:
        return True
    number = device.partition(":")[2] or "0"
    if not number.isdecimal() or int(number) >= torch.cuda.device_count():
        return True
    return torch.cuda.get_device_capability(int(number)) >= _TF32_CAPABILITY
