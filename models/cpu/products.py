"""The three matrix products of a layer, on flat arrays. Rows and columns come in multiples of 16."""

from __future__ import annotations

from typing import Any

from models.cpu.compiler import kernel
from models.cpu.tiles import TILE_ROWS, TILE_VECTORS, narrow_tile, transpose_square, vector_length, wide_tile


@kernel
def multiply(
    a: Any,
    a_start: int,
    a_row: int,
    a_term: int,
    b: Any,
    b_start: int,
    bias: Any,
    bias_start: int,
    c: Any,
    c_start: int,
    n_rows: int,
    n_columns: int,
    n_terms: int,
) -> None:
    """c = bias + a b, where c [n_rows, n_columns] and b [n_terms, n_columns] lie row by row and a is strided."""
    width = vector_length(a)
    column = 0
    while column + TILE_VECTORS * width <= n_columns:
        for row in range(0, n_rows, TILE_ROWS):
            wide_tile(
                a,
                a_start + row * a_row,
                a_row,
                a_term,
                b,
                b_start + column,
                n_columns,
                bias,
                bias_start + column,
                c,
                c_start + row * n_columns + column,
                n_columns,
                n_terms,
            )
        column += TILE_VECTORS * width
    while column < n_columns:
        for row in range(0, n_rows, TILE_ROWS):
            narrow_tile(
                a,
                a_start + row * a_row,
                a_row,
                a_term,
                b,
                b_start + column,
                n_columns,
                bias,
                bias_start + column,
                c,
                c_start + row * n_columns + column,
                n_columns,
                n_terms,
            )
        column += width


@kernel
def transpose(a: Any, a_start: int, c: Any, c_start: int, n_rows: int, n_columns: int) -> None:
    """c [n_columns, n_rows] = a [n_rows, n_columns] transposed."""
    width = vector_length(a)
    for row in range(0, n_rows, width):
        for column in range(0, n_columns, width):
            transpose_square(
                a, a_start + row * n_columns + column, n_columns, c, c_start + column * n_rows + row, n_rows
            )


@kernel
def sum_rows(a: Any, a_start: int, c: Any, c_start: int, n_rows: int, n_columns: int) -> None:
    """c [n_columns] = the sum of the rows of a [n_rows, n_columns]."""
    for column in range(n_columns):
        c[c_start + column] = a[a_start + column]
    for row in range(1, n_rows):
        start = a_start + row * n_columns
        for column in range(n_columns):
            c[c_start + column] += a[start + column]
