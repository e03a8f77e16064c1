"""The plain multi-layer perceptron."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

from torch import Tensor, nn

from peprank.errors import TrainingError
from peprank.nn.dropout import Dropout

NormName: TypeAlias = Literal["none", "batch", "layer"]


class MLP(nn.Module):
    """Linear -> normalization -> activation -> dropout, once per width.

    Args:
        in_dim: width of the input.
        hidden_dims: width of each layer; (): the input is returned.
        activation: makes the activation of a layer.
        normalization: between linear map and activation. The bias is dropped beside "batch", which has its own.
        dropouts: dropout ratio of each layer, (): none.
        bias: whether the linear maps have one.

    Shapes: [B, in_dim] -> [B, out_dim].

    Raises:
        TrainingError: batch normalization in training sees fewer than two rows.
    """

    def __init__(
        self,
        in_dim: int,
        hidden_dims: Sequence[int],
        *,
        activation: Callable[[], nn.Module] = nn.ReLU,
        normalization: NormName = "none",
        dropouts: Sequence[float] = (),
        bias: bool = True,
    ) -> None:
        super().__init__()
        widths = (in_dim, *hidden_dims)
        self.in_dim, self.hidden_dims, self.out_dim = in_dim, tuple(hidden_dims), widths[-1]
        self.normalizes_batch = normalization == "batch"
        self.layers = nn.ModuleList()
        for k, width in enumerate(hidden_dims):
            layer: OrderedDict[str, nn.Module] = OrderedDict()
            layer["linear"] = nn.Linear(widths[k], width, bias=bias and not self.normalizes_batch)
            if normalization != "none":
                layer["norm"] = nn.BatchNorm1d(width) if self.normalizes_batch else nn.LayerNorm(width)
            layer["activation"] = activation()
            if dropouts and dropouts[k] > 0:
                layer["dropout"] = Dropout(dropouts[k])
            self.layers.append(nn.Sequential(layer))

    def forward(self, hidden: Tensor) -> Tensor:
        """Output of the last layer [B, out_dim]."""
        if self.training and self.normalizes_batch and len(hidden) < 2:
            raise TrainingError(
                f"mlp.use_bn: batch normalization in training got {len(hidden)} row(s), which have no variance; "
                "use use_ln, larger batches or drop_remainder"
            )
        for layer in self.layers:
            hidden = layer(hidden)
        return hidden
