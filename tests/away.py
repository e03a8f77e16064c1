"""A device that no machine has: its tensors say that they lie on `meta`, their values are kept on the CPU.

Inside `away()` an operation on tensors of both places fails, as it does between a GPU and the CPU; everything else is
computed by the CPU's own kernels. So a run that goes through has put every tensor where it belongs, and must end in the
same bits as a run on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

AWAY = torch.device("meta")
_CPU = torch.device("cpu")


class AwayTensor(Tensor):
    """A tensor on the device; `values_here` holds its numbers."""

    values_here: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> AwayTensor:
        layout: dict[str, Any] = {"layout": values.layout}
        if not values.is_sparse:
            layout |= {"strides": values.stride(), "storage_offset": values.storage_offset()}
        tensor: AwayTensor = Tensor._make_wrapper_subclass(
            cls, values.size(), dtype=values.dtype, device=AWAY, **layout
        )
        tensor.values_here = values
        return tensor

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # the base is declared as if it were no class method
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _compute(func, args, kwargs or {})


@contextmanager
def away() -> Iterator[None]:
    """Within the block the device is there."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(torch, "autocast", _autocast))
        stack.enter_context(patch.object(torch, "is_autocast_enabled", _is_autocast_enabled))
        stack.enter_context(patch.object(torch, "inference_mode", torch.no_grad))  # it cannot hold a wrapped tensor
        stack.enter_context(_Operations())  # type: ignore[no-untyped-call]
        stack.enter_context(_Methods())
        yield


def _autocast(device_type: str, *_: object, **__: object) -> Any:
    """Torch knows no autocast for this device; whoever asks must ask for the right one."""
    assert device_type == AWAY.type
    return nullcontext()


def _is_autocast_enabled(device_type: str) -> bool:
    assert device_type == AWAY.type
    return False


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Every operation, also those on tensors of the CPU alone, one of which may be moved to the device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


class _Methods(TorchFunctionMode):
    """Methods that would pass by `_Operations`."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.tolist:
            return args[0].cpu().tolist()
        if func is Tensor.new_tensor:
            return torch.tensor(args[1], dtype=args[0].dtype).to(args[0].device)
        if func == Tensor.is_cuda.__get__:  # type: ignore[attr-defined]
            return isinstance(args[0], AwayTensor)  # what is kept for GPUs is kept for this device
        return func(*args, **(kwargs or {}))


def _compute(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, AwayTensor)]
    here = [tensor for tensor in tensors if not isinstance(tensor, AwayTensor) and tensor.dim()]
    is_copy = func is torch.ops.aten.copy_.default
    if there and here and not is_copy:
        shapes = [[tuple(tensor.shape) for tensor in place] for place in (there, here)]
        raise AssertionError(f"{func}: of its tensors {shapes[0]} lie on the device, {shapes[1]} on the CPU")
    is_there = bool(there)
    if is_copy:
        is_there = isinstance(tensors[0], AwayTensor)
    if kwargs.get("device") is not None:
        is_there = torch.device(kwargs["device"]) == AWAY
        kwargs = {**kwargs, "device": _CPU}
    inner_args, inner_kwargs = tree_map_only(AwayTensor, lambda tensor: tensor.values_here, (args, kwargs))
    result = func(*inner_args, **inner_kwargs)
    known = {id(tensor.values_here): tensor for tensor in there}  # an operation in place gives back its argument
    return tree_map_only(Tensor, lambda v: known[id(v)] if id(v) in known else AwayTensor(v) if is_there else v, result)
