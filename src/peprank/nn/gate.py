"""Gate NU: the number that a prior puts on each unit of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from peprank.nn.dropout import drawn_to_keep, kept_scale

GeneralInputName: TypeAlias = Literal["DETACHED", "ATTACHED", "LEFT_OUT"]


class GateNU(nn.Module):
    """Scale each unit by a number read off a prior: delta = gamma * sigmoid(W2 relu(W1 x + b1) + b2).

    The input x is `prior`, or `prior ⊕ sg(observed)`: the gate reads what it observes without steering it, and no
    gradient towards `observed` is computed.

    Source: PEPNet (Chang et al., KDD 2023), section "Gate Neural Unit", Eq 2-3.

    Args:
        prior_dim: width P of the prior.
        out_dim: width H of the units to scale.
        observed_dim: width R of the observed input; 0: there is none.
        hidden_dim: width of the hidden layer; None: as wide as the units.
        gamma: open upper end of delta, no unit. At 2.0 a zero logit leaves a unit as it is.

    Shapes: prior float [B, P], observed float [B, R] -> delta float [B, H], 0 < delta < gamma.
    """

    def __init__(
        self,
        prior_dim: int,
        out_dim: int,
        *,
        observed_dim: int = 0,
        hidden_dim: int | None = None,
        gamma: float = 2.0,
    ) -> None:
        super().__init__()
        hidden_dim = hidden_dim or out_dim
        self.hidden = nn.Linear(prior_dim + observed_dim, hidden_dim)
        self.logit = nn.Linear(hidden_dim, out_dim)
        self.gamma = gamma

    def forward(self, prior: Tensor, observed: Tensor | None = None) -> Tensor:
        """Delta [B, H]."""
        hidden = torch.relu(observing_linear(self.hidden, prior, observed))
        return self.gamma * torch.sigmoid(self.logit(hidden))


class GateBank(nn.Module):
    """Several Gate NUs that read one input, as one matrix product and with their derivative written out.

    Equal to one `GateNU` per entry of `out_dims`, gate k with its share of the rows of `hidden` and layer `logits[k]`;
    but half as long in training, since numbers are overwritten where autograd would keep each step of them.

    Args:
        prior_dim: width P of the prior.
        out_dims: width H_k of the units that gate k scales.
        observed_dim: width R of the input that is read without a gradient.
        hidden_dims: hidden width of each gate; None: as wide as its units.
        gamma: open upper end of delta.
        dropouts: ratio of the units of each gate that drop out in training: a dropped unit's delta is 0, the others
            are larger by what is missing. (): none.

    Shapes: prior [B, P], observed [B, R] -> one delta [B, H_k] per gate.
    """

    def __init__(
        self,
        prior_dim: int,
        out_dims: Sequence[int],
        *,
        observed_dim: int = 0,
        hidden_dims: Sequence[int] | None = None,
        gamma: float = 2.0,
        dropouts: Sequence[float] = (),
    ) -> None:
        super().__init__()
        self.hidden_dims, self.out_dims = list(hidden_dims or out_dims), list(out_dims)
        self.hidden = nn.Linear(prior_dim + observed_dim, sum(self.hidden_dims))
        self.logits = nn.ModuleList(nn.Linear(h, out) for h, out in zip(self.hidden_dims, out_dims, strict=True))
        self.gamma = gamma
        self.dropouts = list(dropouts or [0.0] * len(out_dims))

    def forward(self, prior: Tensor, observed: Tensor | None = None) -> list[Tensor]:
        """Delta [B, H_k] of each gate."""
        observed = prior[:, :0] if observed is None else observed
        dropouts = self.dropouts if self.training else [0.0] * len(self.dropouts)
        layers = [parameter for logit in self.logits for parameter in (logit.weight, logit.bias)]
        deltas: tuple[Tensor, ...] = _Gates.apply(  # type: ignore[no-untyped-call]
            prior, observed, self.gamma, dropouts, self.hidden.weight, self.hidden.bias, *layers
        )
        return list(deltas)


class _Gates(torch.autograd.Function):
    """deltas = gamma * sigmoid(W2_k relu(W1 (prior ⊕ sg(observed)) + b1)_k + b2_k), dropped out where asked.

    With t_k = gamma / (1 - dropout_k) and m the kept units, delta = m t_k sigmoid(z), so its derivative by z is
    delta (1 - delta / t_k): the deltas alone are kept for the way back.
    """

    @staticmethod
    def forward(
        ctx: Any,
        prior: Tensor,
        observed: Tensor,
        gamma: float,
        dropouts: Sequence[float],
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        dtype = _compute_dtype(prior)
        with torch.autocast(prior.device.type, enabled=False):
            weight, bias, *layers = (parameter.to(dtype) for parameter in parameters)
            x = torch.cat([prior.to(dtype), observed.to(dtype)], dim=1)  # [B, P + R]
            hidden = torch.addmm(bias, x, weight.t()).relu_()  # [B, sum of h_k]
            weights, biases = layers[0::2], layers[1::2]
            tops = [gamma * kept_scale(dropout) for dropout in dropouts]
            deltas = []
            for h, w, b, top, dropout in zip(_parts(hidden, weights), weights, biases, tops, dropouts, strict=True):
                delta = torch.addmm(b, h, w.t()).sigmoid_().mul_(top)  # [B, H_k]
                if dropout > 0:
                    delta.mul_(drawn_to_keep(delta.shape, dropout, delta.device))
                deltas.append(delta)
        ctx.save_for_backward(x, hidden, weight, *weights, *deltas)
        ctx.tops, ctx.dtypes = tops, [prior.dtype, *(parameter.dtype for parameter in parameters)]
        ctx.prior_dim = prior.shape[1]
        return tuple(deltas)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, hidden, weight, *rest = ctx.saved_tensors
        weights, deltas = rest[: len(ctx.tops)], rest[len(ctx.tops) :]
        d_hidden = torch.empty_like(hidden)
        d_layers: list[Tensor] = []
        pieces = zip(grads, deltas, ctx.tops, weights, _parts(hidden, weights), _parts(d_hidden, weights), strict=True)
        for grad, delta, top, w, h, d_h in pieces:
            d_z = grad * delta
            d_z.addcmul_(d_z, delta, value=-1 / top)  # grad * delta * (1 - delta / top)
            torch.mm(d_z, w, out=d_h)
            d_layers += [d_z.t() @ h, d_z.sum(0)]
        torch.ops.aten.threshold_backward(d_hidden, hidden, 0, grad_input=d_hidden)  # relu's
        d_prior = d_hidden @ weight[:, : ctx.prior_dim]
        found = [d_prior, d_hidden.t() @ x, d_hidden.sum(0), *d_layers]
        d_prior, *d_parameters = (grad.to(dtype) for grad, dtype in zip(found, ctx.dtypes, strict=True))
        return d_prior, None, None, None, *d_parameters


def _parts(hidden: Tensor, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Views of the columns of `hidden` that each gate's second layer reads."""
    return torch.split(hidden, [weight.shape[1] for weight in weights], dim=1)


def _compute_dtype(prior: Tensor) -> torch.dtype:
    """What autocast would compute a linear map in."""
    kind = prior.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else prior.dtype


def observing_linear(linear: nn.Linear, prior: Tensor, observed: Tensor | None) -> Tensor:
    """`linear(prior ⊕ sg(observed))`, without computing a gradient towards `observed`.

    Concatenating first would cost that gradient: autograd cannot see that half of a joined input is constant.
    """
    if observed is None:
        return F.linear(prior, linear.weight, linear.bias)
    of_prior, of_observed = torch.split(linear.weight, [prior.shape[1], observed.shape[1]], dim=1)
    return F.linear(prior, of_prior) + F.linear(observed.detach(), of_observed, linear.bias)


def gate_inputs(prior: Tensor, observed: Tensor, general: GeneralInputName) -> tuple[Tensor, Tensor | None]:
    """What a gate reads with a gradient, and what without one.

    Args:
        general: DETACHED: prior ⊕ sg(observed), as the paper says; ATTACHED: prior ⊕ observed; LEFT_OUT: the prior.
    """
    match general:
        case "DETACHED":
            return prior, observed
        case "ATTACHED":
            return torch.cat([prior, observed], dim=1), None
        case "LEFT_OUT":
            return prior, None
