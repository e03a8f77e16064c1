"""Rows in: from files of any size, or from a table in memory, to record batches of a few known types.

`columns_of` says what a plan reads, `open_rows` reads it from Parquet or CSV in a chosen order, and `conform` is the
door that every row passes, whether it comes from a file or from a live request.
"""

from peprank.data.check import check_files
from peprank.data.column import Column, ColumnKind, columns_of
from peprank.data.reader import Order, RowReader, open_rows, open_table
from peprank.data.repairs import Repairs
from peprank.data.rows import conform, conform_table

__all__ = [
    "Column",
    "ColumnKind",
    "Order",
    "Repairs",
    "RowReader",
    "check_files",
    "columns_of",
    "conform",
    "conform_table",
    "open_rows",
    "open_table",
]
