"""`data_config` and the input paths -> DataSpec, and how features find their columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from peprank.config.lower_features import FeatureInputs
from peprank.config.place import Place, listing, meant
from peprank.config.protos import pipeline_pb2 as pb
from peprank.spec.pipeline import CsvSpec, DataSpec, FileFormat

TABLE_SCHEMES: Final = ("odps://", "kafka://")
CSV_ENDINGS: Final = (".csv", ".csv.gz", ".csv.bz2", ".csv.zst")
TYPE_ALIASES: Final = {"BIGINT": "INT64", "INT": "INT32"}


def paths(text: str, at: Place, flag: str) -> tuple[str, ...]:
    """A comma list of files, directories, globs or URIs."""
    listed = tuple(part.strip() for part in text.split(",") if part.strip())
    for path in listed:
        if path.startswith(TABLE_SCHEMES):
            at.error(
                f"reads from {path.split(':')[0]}, which is out of reach here; name Parquet or CSV files, "
                f"or give {flag} data/*.parquet, or --set {at.path}=data/*.parquet"
            )
            break
    return listed


def data(msg: pb.DataConfig, at: Place, inputs: Iterable[str]) -> DataSpec:
    """How rows are read. `inputs` are all paths."""
    file_format = _file_format(msg, at, list(inputs))
    _check_at_least_one(msg, at)
    _check_listed_once(msg.label_fields, at["label_fields"])
    _check_listed_once(msg.sample_weight_fields, at["sample_weight_fields"])
    return DataSpec(
        file_format=file_format,
        csv=_csv(msg, at, is_csv=file_format is FileFormat.CSV),
        batch_rows=msg.batch_size,
        eval_batch_rows=msg.eval_batch_size or None,
        drop_remainder=msg.drop_remainder,
        shuffle=msg.shuffle,
        shuffle_batches=msg.shuffle_buffer_size,
        num_threads=max(msg.num_workers, 1),
        skip_bad_files=msg.skip_bad_files,
    )


def _check_at_least_one(msg: pb.DataConfig, at: Place) -> None:
    if msg.batch_size < 1:
        at["batch_size"].error("must be at least 1")
    if msg.HasField("eval_batch_size") and msg.eval_batch_size < 1:
        at["eval_batch_size"].error("must be at least 1; remove it to use batch_size")
    if msg.shuffle and msg.shuffle_buffer_size < 1:
        at["shuffle_buffer_size"].error("must be at least 1 batch")


def _check_listed_once(listed: Sequence[str], at: Place) -> None:
    for index, name in enumerate(listed):
        if name in listed[:index]:
            at[index].error("is listed twice; list each column once")


def _file_format(msg: pb.DataConfig, at: Place, inputs: Sequence[str]) -> FileFormat:
    """CSV or Parquet; a table service's config is read from files of the kind that the paths' endings say."""
    if msg.dataset_type == pb.ParquetDataset:
        return FileFormat.PARQUET
    if msg.dataset_type == pb.CsvDataset:
        return FileFormat.CSV
    if any(path.startswith(TABLE_SCHEMES) for path in inputs):
        return FileFormat.PARQUET  # the paths have been noted
    kinds = {path.endswith(CSV_ENDINGS) for path in inputs}
    if len(kinds) > 1:
        at["dataset_type"].error("the inputs mix CSV and Parquet files; give files of one kind")
    name = "CsvDataset" if True in kinds else "ParquetDataset"
    at["dataset_type"].warn(f"the inputs are files and are read as {name}; write dataset_type: {name}")
    return FileFormat.CSV if True in kinds else FileFormat.PARQUET


def _csv(msg: pb.DataConfig, at: Place, *, is_csv: bool) -> CsvSpec:
    fields = ("delimiter", "with_header", "input_fields", "input_fields_str")
    if not is_csv:
        for name in fields:
            if at[name].is_set:
                at[name].warn("has no effect: Parquet files carry the names and types of their columns")
        return CsvSpec()
    columns = _input_fields(msg, at)
    if len(msg.delimiter) != 1:
        at["delimiter"].error('must be a single character, such as "," or "\\t"')
    if not msg.with_header and not columns:
        at["with_header"].error(
            "without a header the columns have no names; write with_header: true, or name them in input_fields"
        )
    return CsvSpec(delimiter=msg.delimiter, with_header=msg.with_header, columns=columns)


def _input_fields(msg: pb.DataConfig, at: Place) -> tuple[tuple[str, str], ...]:
    """`input_fields_str` ("name:TYPE;name:TYPE") goes before `input_fields`, as in the peer."""
    if msg.input_fields_str:
        if msg.input_fields:
            at["input_fields"].warn("has no effect beside input_fields_str")
        return _parsed_fields(msg.input_fields_str, at["input_fields_str"])
    columns = [
        (column.input_name, pb.FieldType.Name(column.input_type) if column.HasField("input_type") else "STRING")
        for column in msg.input_fields
    ]
    for index, (_, kind) in enumerate(columns):
        _check_type(kind, at["input_fields"][index])
    return tuple(columns)


def _parsed_fields(text: str, at: Place) -> tuple[tuple[str, str], ...]:
    columns = []
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, colon, kind = (word.strip() for word in part.partition(":"))
        if not colon:
            at.error(f"'{part}' is not of the form name:TYPE")
            continue
        columns.append((name, _type_name(kind)))
        _check_type(columns[-1][1], at)
    return tuple(columns)


def _type_name(kind: str) -> str:
    """`ARRAY<BIGINT>` as FieldType calls it, ARRAY_INT64."""
    words = kind.upper().replace(">", "").replace("<", " ").replace(",", " ").split()
    return "_".join(TYPE_ALIASES.get(word, word) for word in words)


def _check_type(kind: str, at: Place) -> None:
    known = pb.FieldType.keys()
    if kind not in known:
        at.error(f"the type '{kind}' is not known{meant(kind, known)}; write one of {listing(known)}")
    elif kind.startswith("MAP_"):
        at.error(f"the type '{kind}' is not supported yet; write STRING or an ARRAY type")


def feature_inputs(msg: pb.DataConfig, at: Place, open_text: Callable[[str], str]) -> FeatureInputs:
    """What `fg_mode`, or its old name `fg_encoded`, says about columns."""
    mode = _fg_mode(msg, at)
    if msg.HasField("fg_encoded_multival_sep") and mode != pb.FG_NONE:
        at["fg_encoded_multival_sep"].warn(
            f"has no effect under {pb.FgMode.Name(mode)}: values stand between each feature's separator"
        )
    if msg.HasField("fg_threads") and not msg.HasField("fg_encoded"):
        at["fg_threads"].warn("has no effect: num_workers says how many threads read")
    return FeatureInputs(
        is_encoded=mode == pb.FG_NONE,
        has_own_columns=mode in (pb.FG_NONE, pb.FG_BUCKETIZE),
        encoded_separator=msg.fg_encoded_multival_sep,
        mode=pb.FgMode.Name(mode),
        open_text=open_text,
    )


def _fg_mode(msg: pb.DataConfig, at: Place) -> pb.FgMode.ValueType:
    """FG_NORMAL and FG_DAG mean the same here: they differ in how the peer's feature generator is called."""
    if not msg.HasField("fg_encoded"):
        return msg.fg_mode
    if msg.HasField("fg_mode"):
        at["fg_encoded"].warn("is an old name and has no effect beside fg_mode; remove it")
        return msg.fg_mode
    mode = pb.FG_NONE if msg.fg_encoded else pb.FG_DAG if msg.fg_threads > 0 else pb.FG_NORMAL
    at["fg_encoded"].warn(f"is an old name; write fg_mode: {pb.FgMode.Name(mode)}")
    return mode
