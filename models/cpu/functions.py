"""exp, exp(x) - 1 and erf as plain arithmetic, so that a compiler can run them on whole vectors, and their kin.

exp(x) = 2^n exp(r) with n = round(x / ln 2); exp(r) - 1 by its Taylor series, |r| <= ln 2 / 2, of which 8 terms are
exact to float32 and 14 to float64. NaN stays NaN. Results stay within the normal numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, overload, register_jitable

from models.cpu.compiler import kernel

LOG2_HIGH = 0.693145751953125  # the first 16 bits of ln 2: n times it is exact
LOG2_LOW = math.log(2) - LOG2_HIGH


@intrinsic
def _power_of_two(typing_context: Any, n: Any) -> Any:
    """2^n for a whole floating-point number n within the normal exponents, made from its bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        single = signature.args[0] == types.float32
        bits, kind = (ir.IntType(32), ir.FloatType()) if single else (ir.IntType(64), ir.DoubleType())
        mantissa, bias = (23, 127) if single else (52, 1023)
        exponent = builder.add(builder.fptosi(arguments[0], bits), ir.Constant(bits, bias))
        return builder.bitcast(builder.shl(exponent, ir.Constant(bits, mantissa)), kind)

    return n(n), generate


def _exp_parts(x: Any) -> Any:
    """Return 2^n and exp(r) - 1."""


@overload(_exp_parts)
def _exp_parts_of(x: Any) -> Any:
    single = x == types.float32
    number = np.float32 if single else np.float64
    lowest, highest = (number(-87.3), number(88.3)) if single else (number(-708.3), number(709.4))
    per_log2, high, low, half = number(1 / math.log(2)), number(LOG2_HIGH), number(LOG2_LOW), number(0.5)
    c1, c2, c3, c4, c5, c6, c7, c8 = (number(1 / math.factorial(k)) for k in range(1, 9))
    c9, c10, c11, c12, c13, c14 = (number(1 / math.factorial(k)) for k in range(9, 15))

    def series_32(r: Any) -> Any:
        return (((((((c8 * r + c7) * r + c6) * r + c5) * r + c4) * r + c3) * r + c2) * r + c1) * r

    def series_64(r: Any) -> Any:
        tail = (((((c14 * r + c13) * r + c12) * r + c11) * r + c10) * r + c9) * r
        return ((((((((tail + c8) * r + c7) * r + c6) * r + c5) * r + c4) * r + c3) * r + c2) * r + c1) * r

    series = register_jitable(series_32 if single else series_64)

    def parts(x: Any) -> Any:
        x = lowest if x < lowest else x
        x = highest if x > highest else x
        n = np.floor(x * per_log2 + half)
        return _power_of_two(n), series((x - n * high) - n * low)

    return parts


@kernel
def exponential(x: Any) -> Any:
    """exp(x)."""
    power, rest = _exp_parts(x)
    return power * rest + power


@kernel
def exponential_minus_one(x: Any) -> Any:
    """exp(x) - 1, exact near 0 as well."""
    power, rest = _exp_parts(x)
    return power * rest + (power - type(x)(1))


@kernel
def logistic(x: Any) -> Any:
    """1 / (1 + exp(-x))."""
    one = type(x)(1)
    return one / (one + exponential(-x))


@kernel
def tangent(x: Any) -> Any:
    """The hyperbolic tangent."""
    less = exponential_minus_one(-(abs(x) + abs(x)))
    tangent = -less / (less + type(x)(2))
    return -tangent if x < 0 else tangent


@kernel
def tangent_of_softplus(x: Any) -> Any:
    """tanh(log(1 + exp(x))) = n / (n + 2) with n = exp(x) (exp(x) + 2); 1 to the last bit where exp would overflow."""
    two = type(x)(2)
    power = exponential(min(x, type(x)(20)))
    n = power * (power + two)
    return n / (n + two)


def normal(x: Any) -> Any:
    """The normal distribution function and its density."""


@overload(normal)
def _normal_of(x: Any) -> Any:
    """Source for float32: Abramowitz and Stegun, 7.1.26, to 1.5e-7."""
    p, a1, a2 = np.float32(0.3275911), np.float32(0.254829592), np.float32(-0.284496736)
    a3, a4, a5 = np.float32(1.421413741), np.float32(-1.453152027), np.float32(1.061405429)
    half, one, root = np.float32(0.5), np.float32(1), np.float32(1 / math.sqrt(2))
    per_root = np.float32(1 / math.sqrt(2 * math.pi))

    def exact(x: Any) -> Any:
        return 0.5 * math.erfc(-x / math.sqrt(2.0)), math.exp(-0.5 * x * x) / math.sqrt(2.0 * math.pi)

    def fast(x: Any) -> Any:
        t = one / (one + p * root * abs(x))
        density = exponential(-half * x * x)
        tail = half * ((((a5 * t + a4) * t + a3) * t + a2) * t + a1) * t * density
        return (tail if x < 0 else one - tail), density * per_root

    return fast if x == types.float32 else exact
