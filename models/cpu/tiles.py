"""Two pieces of vector code that numba cannot write by itself: a tile of a matrix product and a square transpose.

Compilers do not keep a block of sums in vector registers across a loop, and the BLAS builds at hand use half the
vector width of recent processors. Every sum runs over its terms in order, each added by one fused multiply-add, so its
bits do not depend on the vector width.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_INDEX = ir.IntType(64)
_LANE = ir.IntType(32)


def _register_bytes() -> int:
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx2") else 16


REGISTER_BYTES = _register_bytes()
TILE_ROWS = 4 if REGISTER_BYTES == 32 else 8  # AVX2 has 16 registers, AVX-512 and NEON have 32
TILE_VECTORS = 2


def _vector(array: types.Array) -> ir.VectorType:
    """Return the vector that fills a register with numbers of an array's type."""
    if array.dtype == types.float32:
        return ir.VectorType(ir.FloatType(), REGISTER_BYTES // 4)
    return ir.VectorType(ir.DoubleType(), REGISTER_BYTES // 8)


class _Numbers:
    """Emits loads and stores of a flat array, by element number."""

    def __init__(self, context: Any, builder: Any, array: types.Array, value: Any) -> None:
        self._builder, self._vector = builder, _vector(array)
        self._data = context.make_array(array)(context, builder, value).data
        self._size = 4 if array.dtype == types.float32 else 8

    def _at(self, element: Any) -> Any:
        return self._builder.gep(self._data, [element])

    def one(self, element: Any) -> Any:
        return self._builder.load(self._at(element))

    def many(self, element: Any) -> Any:
        pointer = self._builder.bitcast(self._at(element), self._vector.as_pointer())
        return self._builder.load(pointer, align=self._size)

    def put(self, element: Any, vector: Any) -> None:
        pointer = self._builder.bitcast(self._at(element), self._vector.as_pointer())
        self._builder.store(vector, pointer, align=self._size)


def _constant(number: int) -> Any:
    return ir.Constant(_INDEX, number)


def _spread(builder: Any, number: Any, vector: ir.VectorType) -> Any:
    """Copy one number into all places of a vector."""
    nothing = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(_LANE, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_LANE, vector.count), [0] * vector.count))


@intrinsic
def vector_length(typing_context: Any, array: types.Array) -> Any:
    """Answer how many numbers of a flat array fill a register."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _constant(_vector(array).count)

    return types.intp(array), generate


def _product_tile(n_vectors: int) -> Any:
    """Make the intrinsic for a tile of TILE_ROWS rows and so many vectors of columns."""

    @intrinsic
    def tile(
        typing_context: Any,
        a: types.Array,
        a_start: Any,
        a_row: Any,
        a_term: Any,
        b: types.Array,
        b_start: Any,
        b_term: Any,
        bias: types.Array,
        bias_start: Any,
        c: types.Array,
        c_start: Any,
        c_row: Any,
        n_terms: Any,
    ) -> Any:
        """c[i, j] = bias[j] + sum over k of a[i, k] b[k, j], for one tile of c.

        Flat arrays; `*_start` is the element of the tile's first number, `a_row`, `c_row` the distance of rows,
        `a_term`, `b_term` that of terms k, of which there is at least one.
        """
        index = types.intp
        signature = types.void(a, index, index, index, b, index, index, bias, index, c, index, index, index)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            arrays = {i: _Numbers(context, builder, signature.args[i], arguments[i]) for i in (0, 4, 7, 9)}
            a_start, a_row, a_term = arguments[1:4]
            b_start, b_term, bias_start = arguments[5], arguments[6], arguments[8]
            c_start, c_row, n_terms = arguments[10:13]
            vector = _vector(signature.args[0])
            name = f"llvm.fma.v{vector.count}{'f32' if vector.element == ir.FloatType() else 'f64'}"
            fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), name)
            rows = [builder.add(a_start, builder.mul(a_row, _constant(row))) for row in range(TILE_ROWS)]
            steps = [_constant(part * vector.count) for part in range(n_vectors)]
            first = [arrays[7].many(builder.add(bias_start, step)) for step in steps]

            before, loop, after = builder.block, builder.append_basic_block("term"), builder.append_basic_block("sum")
            builder.branch(loop)
            builder.position_at_end(loop)
            term = builder.phi(_INDEX)
            sums = [[builder.phi(vector) for _ in steps] for _ in rows]
            b_now = builder.add(b_start, builder.mul(term, b_term))
            b_vectors = [arrays[4].many(builder.add(b_now, step)) for step in steps]
            a_now, new = builder.mul(term, a_term), []
            for row, partial in zip(rows, sums, strict=True):
                factor = _spread(builder, arrays[0].one(builder.add(row, a_now)), vector)
                new.append([builder.call(fma, [factor, b, old]) for b, old in zip(b_vectors, partial, strict=True)])
            following = builder.add(term, _constant(1))
            term.add_incoming(_constant(0), before)
            term.add_incoming(following, loop)
            for partial, results in zip(sums, new, strict=True):
                for phi, start, result in zip(partial, first, results, strict=True):
                    phi.add_incoming(start, before)
                    phi.add_incoming(result, loop)
            builder.cbranch(builder.icmp_signed("<", following, n_terms), loop, after)
            builder.position_at_end(after)
            for row, results in enumerate(new):
                for step, result in zip(steps, results, strict=True):
                    at = builder.add(c_start, builder.add(builder.mul(c_row, _constant(row)), step))
                    arrays[9].put(at, result)
            return context.get_dummy_value()

        return signature, generate

    return tile


wide_tile = _product_tile(TILE_VECTORS)
narrow_tile = _product_tile(1)


@intrinsic
def transpose_square(
    typing_context: Any, a: types.Array, a_start: Any, a_row: Any, c: types.Array, c_start: Any, c_row: Any
) -> Any:
    """c[j, i] = a[i, j] for a square of vector_length rows and columns of flat arrays."""
    index = types.intp
    signature = types.void(a, index, index, c, index, index)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        source = _Numbers(context, builder, signature.args[0], arguments[0])
        target = _Numbers(context, builder, signature.args[3], arguments[3])
        a_start, a_row, _, c_start, c_row = arguments[1:]
        size = _vector(signature.args[0]).count
        rows = [source.many(builder.add(a_start, builder.mul(a_row, _constant(row)))) for row in range(size)]
        half = size // 2
        while half:  # exchange the off-diagonal quarters of ever smaller squares
            for row in (row for row in range(size) if not row & half):
                upper, lower = rows[row], rows[row + half]
                rows[row] = _pick(builder, upper, lower, [k if not k & half else size + k - half for k in range(size)])
                rows[row + half] = _pick(
                    builder, upper, lower, [k + half if not k & half else size + k for k in range(size)]
                )
            half //= 2
        for row, vector in enumerate(rows):
            target.put(builder.add(c_start, builder.mul(c_row, _constant(row))), vector)
        return context.get_dummy_value()

    return signature, generate


def _pick(builder: Any, upper: Any, lower: Any, places: list[int]) -> Any:
    return builder.shuffle_vector(upper, lower, ir.Constant(ir.VectorType(_LANE, len(places)), places))
