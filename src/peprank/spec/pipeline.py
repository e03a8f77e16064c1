"""The whole plan, and where rows come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from peprank.spec.feature import FeatureSpec, IdFeature
from peprank.spec.model import JRC, ModelSpec
from peprank.spec.train import EvalSpec, ExportSpec, TrainSpec


class FileFormat(Enum):
    """`dataset_type`."""

    PARQUET = "parquet"
    CSV = "csv"


class BadValuePolicy(Enum):
    """What becomes of a bad value."""

    ERROR = "error"  # it stops the run
    DROP_ROW = "drop_row"  # its row is left out
    DEFAULT = "default"  # a default stands in for it


@dataclass(frozen=True, slots=True, kw_only=True)
class BadValues:
    """What becomes of one column's bad values: missing, not finite, or out of bounds."""

    column: str
    policy: BadValuePolicy
    default: float | None = None  # of a label or a weight; a feature has its own


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvSpec:
    """Layout of CSV files."""

    delimiter: str = ","
    with_header: bool = True
    columns: tuple[tuple[str, str], ...] = ()  # (name, FieldType name such as "INT64"), from input_fields[_str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSpec:
    """How rows are read: files, batches, order."""

    file_format: FileFormat = FileFormat.PARQUET
    csv: CsvSpec = field(default_factory=CsvSpec)
    batch_rows: int = 1024
    eval_batch_rows: int | None = None  # None: batch_rows
    drop_remainder: bool = False
    shuffle: bool = False
    shuffle_batches: int = 32  # size of the shuffle buffer, in batches
    num_threads: int = 8  # row groups that are read at the same time
    bad_values: tuple[BadValues, ...] = ()  # for columns whose bad values are to be treated otherwise than by default
    skip_bad_files: bool = False  # files that are damaged, cut short or of another format are left out and counted


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineSpec:
    """One config file, lowered."""

    train_inputs: tuple[str, ...]  # paths, directories, globs or pyarrow.fs URIs
    eval_inputs: tuple[str, ...]
    model_dir: str
    data: DataSpec
    features: tuple[FeatureSpec, ...]  # those that some group, metric or loss uses, in file order
    model: ModelSpec
    train: TrainSpec
    evaluation: EvalSpec
    export: ExportSpec

    def feature(self, name: str) -> FeatureSpec:
        """The feature called `name`."""
        return next(feature for feature in self.features if feature.name == name)

    @property
    def input_features(self) -> tuple[FeatureSpec, ...]:
        """Features that the model itself sees: those of its groups, and the domain."""
        names = {item.feature for group in self.model.groups for item in group.inputs}
        if self.model.domain is not None:
            names.add(self.model.domain.feature)
        return tuple(feature for feature in self.features if feature.name in names)

    @property
    def key_features(self) -> tuple[IdFeature, ...]:
        """Id features that losses and metrics group rows by (sessions, users); no model input because of that."""
        names = {self.evaluation.gauc_feature}
        for task in self.model.tasks:
            names |= {loss.session for loss in task.losses if isinstance(loss, JRC)}
            names |= {metric.grouping_key for metric in task.metrics}
        return tuple(f for f in self.features if isinstance(f, IdFeature) and f.name in names)
