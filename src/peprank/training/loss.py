"""Task losses: logits and targets in, one number per task and loss out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import assert_never

from peprank.batch import Targets
from peprank.spec.model import JRC, L2, BinaryCrossEntropy, BinaryFocal, LossSpec, ModelSpec, SoftmaxCrossEntropy


def task_losses(logits: Tensor, targets: Targets, model: ModelSpec, totals: Tensor | None = None) -> dict[str, Tensor]:
    """Return weight * sum(l w) / sum(w) of every loss, under the peer's name such as `binary_cross_entropy_ctr`.

    l is the loss of one row and w the row's weight in that task. A task none of whose rows weighs anything has the
    loss 0, and its gradients are 0.

    Args:
        totals: sum(w) of each task, where these rows are part of a batch; the losses of its parts then add up to its
            own. None: these rows are all.

    Shapes: logits float [B, K], K columns as `ModelSpec.logit_slices`, totals [T] -> {name: float32 []}.
    """
    losses: dict[str, Tensor] = {}
    totals = targets.weights.sum(0) if totals is None else totals
    logits = logits.float()
    for task, (spec, columns) in enumerate(zip(model.tasks, model.logit_slices, strict=True)):
        label, weight = targets.labels[:, task], targets.weights[:, task]  # [B], [B]
        for loss in spec.losses:
            name = f"{loss_name(loss)}_{spec.name}"
            of_rows = row_losses(loss, logits[:, columns], label, targets.keys)
            value = spec.weight * _weighted_mean(of_rows, weight, totals[task])
            losses[name] = value if name not in losses else losses[name] + value
    return losses


def total_loss(losses: dict[str, Tensor]) -> Tensor:
    """Return the plain sum of all losses; a task's weight is already in its own."""
    return torch.stack(tuple(losses.values())).sum()


def loss_name(loss: LossSpec) -> str:
    """Return the peer's name of a loss, the first half of the name of its value."""
    match loss:
        case BinaryCrossEntropy():
            return "binary_cross_entropy"
        case BinaryFocal():
            return "binary_focal_loss"
        case SoftmaxCrossEntropy():
            return "softmax_cross_entropy"
        case L2():
            return "l2_loss"
        case JRC():
            return "jrc_loss"
        case _:
            assert_never(loss)


def row_losses(loss: LossSpec, logits: Tensor, label: Tensor, keys: dict[str, Tensor]) -> Tensor:
    """Return the loss of each row, before weights.

    Shapes: logits float32 [B, C], label float32 [B] -> float32 [B].
    """
    match loss:
        case BinaryCrossEntropy():
            smooth = label * (1 - loss.label_smoothing) + 0.5 * loss.label_smoothing
            return F.binary_cross_entropy_with_logits(logits[:, 0], smooth, reduction="none")
        case BinaryFocal():
            return _focal(loss, logits[:, 0], label)
        case SoftmaxCrossEntropy():
            return F.cross_entropy(logits, label.long(), reduction="none", label_smoothing=loss.label_smoothing)
        case L2():
            return (logits[:, 0] - label).square()
        case JRC():
            cross_entropy = F.cross_entropy(logits, label.long(), reduction="none")
            contrast = _session_contrast(logits, label > 0, keys[loss.session])
            return loss.alpha * cross_entropy + (1 - loss.alpha) * contrast
        case _:
            assert_never(loss)


def _weighted_mean(losses: Tensor, weight: Tensor, total: Tensor) -> Tensor:
    """sum(l w) / total, or 0 where the total is 0."""
    return (losses * weight).sum() / torch.where(total > 0, total, torch.ones_like(total))


def _focal(loss: BinaryFocal, logit: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy times alpha y (1-p)^gamma + (1-alpha) (1-y) p^gamma. Detached: the weight only says how hard."""
    prob = logit.detach().sigmoid()
    hardness = loss.alpha * label * (1 - prob) ** loss.gamma + (1 - loss.alpha) * (1 - label) * prob**loss.gamma
    return hardness * F.binary_cross_entropy_with_logits(logit, label, reduction="none")


def _session_contrast(logits: Tensor, is_positive: Tensor, session: Tensor) -> Tensor:
    """Let each positive compete with its session's negatives on the positive logit, and the other way round.

    -log(exp(s_i) / (exp(s_i) + sum of the rivals' exp(s_j))) = softplus(logsumexp(rivals) - s_i): one sum per session
    serves all its rows, so no [B, B] matrix is needed. A row without rivals has the loss 0.

    Source: JRC (Sheng et al., KDD 2023), section "Joint optimisation of ranking and calibration".
    """
    sessions, inverse = torch.unique(session, return_inverse=True)
    negatives = _logsumexp_by(inverse, logits[:, 1], ~is_positive, len(sessions))
    positives = _logsumexp_by(inverse, logits[:, 0], is_positive, len(sessions))
    rivals = torch.where(is_positive, negatives[inverse], positives[inverse])
    return F.softplus(rivals - torch.where(is_positive, logits[:, 1], logits[:, 0]))


def _logsumexp_by(group: Tensor, score: Tensor, mask: Tensor, num_groups: int) -> Tensor:
    """Return log(sum(exp(score))) over the masked rows of each group [G], -inf for a group without one."""
    group, score = group[mask], score[mask]
    floor = score.new_full((num_groups,), torch.finfo(score.dtype).min)
    top = floor.scatter_reduce(0, group, score.detach(), "amax")  # [G]
    total = torch.zeros_like(top).index_add(0, group, (score - top[group]).exp())
    is_empty = total == 0
    # Two wheres: the log of an empty group's 0 must not be on the way back, where 0 * inf is NaN.
    value = top + torch.where(is_empty, torch.ones_like(total), total).log()
    return torch.where(is_empty, torch.full_like(value, -torch.inf), value)
