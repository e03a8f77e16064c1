"""What goes into an exported graph and what comes out: names, shapes, and the ids that each table has."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import pyarrow as pa

from peprank.batch import MISSING
from peprank.errors import ArtifactError
from peprank.spec.feature import FeatureSpec, IdFeature
from peprank.spec.model import ModelSpec, TaskSpec
from peprank.spec.pipeline import PipelineSpec

FORMAT = 1  # of the JSON; a change that old readers cannot follow raises it
Form: TypeAlias = Literal["id", "ids", "weights", "numbers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphInput:
    """One array that a graph reads, B rows high.

    | form      | array                                                                      |
    |-----------|----------------------------------------------------------------------------|
    | `id`      | int64 [B]: one id per row                                                  |
    | `ids`     | int64 [B, L]: up to L ids per row, then MISSING; L is the request's choice |
    | `weights` | float32 [B, L]: of those ids, 0 behind them                                |
    | `numbers` | float32 [B, width]                                                         |

    Ids lie in [low, end); `low` is MISSING, or 0 where a row cannot do without one. MISSING embeds to a zero vector.
    """

    name: str
    feature: str
    form: Form
    low: int = MISSING  # ids only
    end: int = 0  # ids only
    width: int = 0  # numbers only

    @property
    def datatype(self) -> str:
        """As the Open Inference Protocol spells it."""
        return "INT64" if self.form in ("id", "ids") else "FP32"

    @property
    def shape(self) -> tuple[int, ...]:
        """-1 for a dimension that a request chooses."""
        match self.form:
            case "id":
                return (-1,)
            case "ids" | "weights":
                return (-1, -1)
            case "numbers":
                return (-1, self.width)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphOutput:
    """One array that a graph returns, float32 [B], or [B, width] for a softmax."""

    name: str
    width: int = 0  # 0: one number per row

    @property
    def shape(self) -> tuple[int, ...]:
        """-1 for the rows."""
        return (-1, self.width) if self.width else (-1,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """All that a client must know of a graph, and which model it is."""

    inputs: tuple[GraphInput, ...]
    outputs: tuple[GraphOutput, ...]
    opset: int
    step: int  # training steps behind the weights

    def to_json(self) -> str:
        """As `from_json` reads it; datatypes and shapes are said beside, for readers without peprank."""
        inputs = [asdict(item) | {"datatype": item.datatype, "shape": item.shape} for item in self.inputs]
        outputs = [asdict(item) | {"datatype": "FP32", "shape": item.shape} for item in self.outputs]
        about = {"format": FORMAT, "opset": self.opset, "step": self.step, "inputs": inputs, "outputs": outputs}
        return json.dumps(about, indent=1) + "\n"

    @staticmethod
    def from_json(text: str) -> Signature:
        """Read what `to_json` wrote.

        Raises:
            ArtifactError: it is no signature, or one of a later format.
        """
        try:
            about = json.loads(text)
            if about["format"] != FORMAT:
                raise ArtifactError(f"has format {about['format']}, this peprank reads {FORMAT}; export it again")
            return Signature(
                inputs=tuple(GraphInput(**_own(item)) for item in about["inputs"]),
                outputs=tuple(GraphOutput(**_own(item)) for item in about["outputs"]),
                opset=int(about["opset"]),
                step=int(about["step"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(f"is no signature of a graph ({error}); export it again") from error


def _own(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in ("datatype", "shape")}


def inputs_of(spec: PipelineSpec, schema: pa.Schema) -> tuple[GraphInput, ...]:
    """What the graph of a plan reads.

    Args:
        schema: of conformed rows. A feature of a column of numbers has one id per row; one of text or lists may have
            several, unless the plan gives it `value_dim: 1`.

    Raises:
        ArtifactError: the domain has weights, or two inputs would have one name.
    """
    features = spec.input_features
    single = {feature.name for feature in features if _holds_one(feature, schema.field(feature.column).type)}
    weighted = {feature.name for feature in features if isinstance(feature, IdFeature) and feature.weighted}
    return graph_inputs(spec.model, single, weighted)


def _holds_one(feature: FeatureSpec, column: pa.DataType) -> bool:
    """Whether no row can have several ids."""
    if isinstance(feature, IdFeature):
        is_bare = pa.types.is_integer(column) or pa.types.is_floating(column)
        return feature.max_values == 1 or (is_bare and len(feature.default) <= 1)
    return feature.value_dim == 1


def graph_inputs(model: ModelSpec, single: Collection[str], weighted: Collection[str]) -> tuple[GraphInput, ...]:
    """What the graph of a model reads, in the order of its groups.

    Args:
        single: features with one id per row.
        weighted: features whose ids have weights.
    """
    domain = model.domain.feature if model.domain is not None and model.picks_by_domain else None
    if domain in weighted:
        raise ArtifactError(f"feature '{domain}': a domain whose ids have weights cannot be exported; drop its weights")
    one = {*single, domain} - {*weighted}
    found: dict[str, GraphInput] = {}
    for item in (*_id_inputs(model, domain, one), *_weight_inputs(model, weighted), *_number_inputs(model)):
        if item.name in found:
            raise ArtifactError(f"'{item.name}' would name two inputs of the graph; rename one of the features")
        found[item.name] = item
    return tuple(found.values())


def _id_inputs(model: ModelSpec, domain: str | None, one: Collection[str | None]) -> Iterator[GraphInput]:
    rows = {table.name: table.rows for table in model.tables}
    ends: dict[str, int] = {}
    for group in model.groups:
        for item in group.inputs:
            if item.table is not None:
                ends[item.feature] = min(rows[item.table], ends.get(item.feature, rows[item.table]))
    if domain is not None:
        ends[domain] = model.num_domains
    for feature, end in ends.items():
        low = 0 if feature == domain else MISSING
        yield GraphInput(name=feature, feature=feature, form="id" if feature in one else "ids", low=low, end=end)


def _weight_inputs(model: ModelSpec, weighted: Collection[str]) -> Iterator[GraphInput]:
    looked_up = dict.fromkeys(item.feature for group in model.groups for item in group.inputs if item.table is not None)
    for feature in looked_up:
        if feature in weighted:
            yield GraphInput(name=f"{feature}.weights", feature=feature, form="weights")


def _number_inputs(model: ModelSpec) -> Iterator[GraphInput]:
    widths = {
        item.feature: item.dim if item.dense is None else item.value_dim
        for group in model.groups
        for item in group.inputs
        if item.table is None
    }
    for feature, width in widths.items():
        yield GraphInput(name=feature, feature=feature, form="numbers", width=width)


def outputs_of(tasks: Collection[TaskSpec]) -> tuple[GraphOutput, ...]:
    """What a graph returns: the columns of `peprank predict`."""
    return tuple(output for task in tasks for output in _task_outputs(task))


def _task_outputs(task: TaskSpec) -> Iterator[GraphOutput]:
    if task.is_regression:
        yield GraphOutput(name=f"y_{task.name}")
        return
    width = task.num_class if task.num_class > 1 else 0
    yield GraphOutput(name=f"probs_{task.name}", width=width)
    yield GraphOutput(name=f"logits_{task.name}", width=width)
    if task.num_class == 2:
        yield GraphOutput(name=f"probs1_{task.name}")
