"""From a network to an ONNX graph: traced by torch, so that the equations have one implementation."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from peprank.batch import Features
from peprank.errors import ArtifactError
from peprank.models import MultiTaskRanker
from peprank.models.ranker import eval_mode
from peprank.nn.arena import Arena, Gathered, Lookup
from peprank.onnx.signature import GraphInput, outputs_of
from peprank.spec.model import ModelSpec, TaskSpec

if TYPE_CHECKING:
    import onnx_ir

_ROWS, _VALUES = 3, 2  # of the arrays that are traced; a 1 would be taken for a constant


class Graph(nn.Module):
    """A ranker as ONNX sees it: one array per input, one per output.

    Tables lie in the graph as they lie in memory, with a zero row for MISSING. Ids past a table would read another
    one's rows, so they are checked before the graph.

    Shapes: as `GraphInput.shape` -> as `GraphOutput.shape`.
    """

    def __init__(self, ranker: MultiTaskRanker, model: ModelSpec, inputs: Sequence[GraphInput]) -> None:
        super().__init__()
        self.ranker, self.tasks, self.inputs = ranker, model.tasks, tuple(inputs)
        self.slices = model.logit_slices
        self.domain = model.domain.feature if model.domain is not None and model.picks_by_domain else None

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        """What `outputs_of` lists."""
        given = {item.name: array for item, array in zip(self.inputs, arrays, strict=True)}
        numbers = {item.feature: given[item.name] for item in self.inputs if item.form == "numbers"}
        num_rows = arrays[0].shape[0]
        # Where no part of the network is picked by the domain, nothing reads it.
        domain = given[self.domain] if self.domain is not None else torch.zeros(num_rows, dtype=torch.int64)
        embeddings = self.ranker.embeddings
        gathered = [
            Gathered((lookup,), _vectors(embeddings.arena(name), lookup, given, domain).unsqueeze(1))
            for name in embeddings.arenas
            for lookup in embeddings.arena(name).lookups
        ]
        groups = embeddings.joined(gathered, Features(num_rows, {}, numbers, domain))
        logits = self.ranker.logits(groups, domain)
        pairs = zip(self.tasks, self.slices, strict=True)
        return tuple(output for task, columns in pairs for output in _outputs(task, logits[:, columns]))


def _vectors(arena: Arena, lookup: Lookup, given: Mapping[str, Tensor], domain: Tensor) -> Tensor:
    """Vector [B, dim] of each row, that of several ids pooled."""
    ids, table = given[lookup.feature], arena.tables[lookup.table]  # [B] or [B, L]
    places = ids + arena.places[table.name].start
    if arena.num_domains > 1:
        copies = domain * table.rows
        places = places + (copies if ids.dim() == 1 else copies.unsqueeze(1))
    vectors = F.embedding(torch.where(ids < 0, 0, places), arena.weight).float()
    if ids.dim() == 1:
        return vectors
    weights = given.get(f"{lookup.feature}.weights")
    pooled = (vectors if weights is None else vectors * weights.unsqueeze(2)).sum(1)
    return pooled / (ids >= 0).sum(1, keepdim=True).clamp(min=1) if table.is_mean else pooled


def _outputs(task: TaskSpec, logits: Tensor) -> list[Tensor]:
    """Outputs of one task from its logits [B, num_class]; as `predict` gives them."""
    if task.is_regression:
        return [logits[:, 0]]
    if task.num_class == 1:
        return [logits[:, 0].sigmoid(), logits[:, 0]]
    probs = logits.softmax(-1)
    return [probs, logits, *([probs[:, 1]] if task.num_class == 2 else [])]


def trace(ranker: MultiTaskRanker, model: ModelSpec, inputs: Sequence[GraphInput], *, opset: int) -> onnx_ir.Model:
    """The graph of a ranker.

    Raises:
        ArtifactError: torch cannot trace the model, or not write it in this opset; says why.
    """
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass  # of the extra `onnx`

    captured = capture(ranker, model, inputs)
    try:
        with _silence():
            program = torch.onnx.export(
                captured,
                input_names=[item.name for item in inputs],
                output_names=[output.name for output in outputs_of(model.tasks)],
                dynamic_shapes={"arrays": _dynamic_shapes(inputs)},  # names only: the program has its shapes
                opset_version=opset,
                dynamo=True,
                verbose=False,
            )
    except torch.onnx.errors.OnnxExporterError as error:
        raise _refused(error.__cause__ or error) from error
    assert program is not None
    graph: onnx_ir.Model = program.model
    if graph.opset_imports[""] != opset:
        raise ArtifactError(f"opset {opset}: the model needs operations of {graph.opset_imports['']}; ask for that one")
    ClearMetadataAndDocStringPass()(graph)  # traces of the stack, with paths of this machine
    return graph


def capture(ranker: MultiTaskRanker, model: ModelSpec, inputs: Sequence[GraphInput]) -> torch.export.ExportedProgram:
    """The steps of a ranker, for any number of rows and of values per row.

    `torch.onnx.export` would do it too, but takes a number for granted where the network asks for one.

    Raises:
        ArtifactError: torch cannot trace the model; says why.
    """
    names = _dynamic_shapes(inputs)
    dims = {name: torch.export.Dim(name) for shape in names for name in shape.values()}
    shapes = tuple({axis: dims[name] for axis, name in shape.items()} for shape in names)
    try:
        with eval_mode(ranker), torch.no_grad(), _silence():
            arrays = tuple(_example(item) for item in inputs)
            return torch.export.export(Graph(ranker, model, inputs), arrays, dynamic_shapes={"arrays": shapes})
    except (torch._dynamo.exc.UserError, RuntimeError) as error:
        raise _refused(error) from error


def _refused(reason: BaseException) -> ArtifactError:
    return ArtifactError(f"this model cannot become an ONNX graph: {str(reason).strip().splitlines()[0]}")


def _example(item: GraphInput) -> Tensor:
    shape = [size if size > 0 else default for size, default in zip(item.shape, (_ROWS, _VALUES), strict=False)]
    return torch.zeros(shape, dtype=torch.int64 if item.datatype == "INT64" else torch.float32)


def _dynamic_shapes(inputs: Sequence[GraphInput]) -> tuple[dict[int, str], ...]:
    """Names of the dimensions that a request chooses, by axis; ids and their weights share theirs."""
    several = dict.fromkeys(item.feature for item in inputs if item.form == "ids")
    values = {feature: f"values_{k}" for k, feature in enumerate(several)}
    return tuple({0: "rows", 1: values[item.feature]} if -1 in item.shape[1:] else {0: "rows"} for item in inputs)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what the exporter says about itself from users; what fails is raised."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
