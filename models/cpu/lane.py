"""One lane through one epoch, and its answers to rows it is not trained on: all layers, all steps, no Python between.

A lane's shapes decide every bit of it; nothing else is in reach of these functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from models.cpu.activations import activate, pull_back
from models.cpu.compiler import kernel
from models.cpu.dropout import draw_mask
from models.cpu.losses import lose
from models.cpu.normalisation import BATCH, normalise
from models.cpu.normalisation import pull_back as pull_back_sums
from models.cpu.optimizers import update
from models.cpu.products import multiply, sum_rows, transpose

VALIDATION_ROWS = 64


@kernel
def train_epoch(
    rows: Any,
    running: Any,
    room: Any,
    widths: Any,
    real: Any,
    codes: Any,
    batches: Any,
    table: Any,
    dropout: Any,
    coefficient: float,
) -> float:
    """Train one lane for one epoch; return its mean loss.

    Shapes: `rows` parameters, gradients, first and second moment, [size] each, and `running` [running size] (see
    `models.layout`); `room` out, kept, mask [batch rows * all widths above the inputs], two deltas [batch rows *
    largest width], transposed [largest weight], zeros [largest width], normal [batch rows * hidden widths], factors
    [hidden layers * the larger of batch rows and largest width], scratch [largest width], the last three only with
    normalisation; `widths`, `real` padded and unpadded widths, inputs first; `codes` of activation, whether its
    backward reads the input, of loss, of optimizer, of output activation, whether its backward reads the input, and of
    normalisation; `batches` x, target, weight [S * B * width], rows [S] in use (padded), rows of the data [S] and
    shares [S]; `table` [S, 11] see `optimizers.update`; `dropout` rate and keys; `coefficient` of the loss, see
    `models.loss_table`.
    """
    x, target, weight, n_rows, n_real, shares, batch_rows = batches
    n_inputs, n_columns = widths[0], widths[-1]
    loss = 0.0
    for step in range(len(n_rows)):
        x_start, y_start = step * batch_rows * n_inputs, step * batch_rows * n_columns
        y_stop = y_start + n_rows[step] * n_columns
        shown = n_rows[step], n_real[step]
        last = _forward(rows[0], running, room, widths, real, codes, x, x_start, shown, dropout, step)
        outputs = room[0][last : last + n_rows[step] * n_columns]
        shape = n_rows[step], real[-1], n_columns
        loss += shares[step] * lose(codes, coefficient, outputs, target[y_start:y_stop], weight[y_start:y_stop], shape)
        _backward(rows, room, widths, real, codes, x, x_start, shown, last, dropout[0])
        update(codes[3], rows, table[step])
    return loss


@kernel
def _norm_start(widths: Any) -> int:
    """Where the scales and shifts of normalisation begin in a row of parameters."""
    start = 0
    for layer in range(len(widths) - 1):
        start += widths[layer] * widths[layer + 1] + widths[layer + 1]
    return start


@kernel
def _pair(row: Any, start: int, width: int) -> Any:
    return row[start : start + width], row[start + width : start + 2 * width]


@kernel
def _kept_by_norm(room: Any, start: int, size: int, layer: int, widths: Any, n_rows: int) -> Any:
    """What the normalisation of one layer leaves for its backward: see `normalisation.normalise`."""
    stride = max(n_rows, widths.max())
    return room[7][start : start + size], room[8][layer * stride : (layer + 1) * stride], room[9]


@kernel
def _forward(
    parameters: Any,
    running: Any,
    room: Any,
    widths: Any,
    real: Any,
    codes: Any,
    x: Any,
    x_start: int,
    shown: Any,
    dropout: Any,
    step: int,
) -> int:
    """Fill out, kept, mask, normal and factors; return where the outputs of the last layer begin in out.

    `shown` are rows and rows of the data; batch normalisation goes by the running statistics where the latter are
    fewer than two.
    """
    out, kept, mask = room[0], room[1], room[2]
    rate, keys = dropout
    n_rows, n_real = shown
    norm_at, running_at = _norm_start(widths), 0
    start, weight_at, below, below_at = 0, 0, x, x_start
    for layer in range(len(widths) - 1):
        n_in, n_out = widths[layer], widths[layer + 1]
        bias_at, size = weight_at + n_in * n_out, n_rows * n_out
        multiply(below, below_at, n_in, 1, parameters, weight_at, parameters, bias_at, out, start, n_rows, n_out, n_in)
        below, below_at = out, start
        weight_at = bias_at + n_out
        if layer < len(widths) - 2:
            z = out[start : start + size]
            if codes[6]:
                by_norm = _kept_by_norm(room, start, size, layer, widths, n_rows)
                pair, averages = _pair(parameters, norm_at, n_out), _pair(running, running_at, n_out)
                normalise(codes[6], z, by_norm, pair, averages, (n_rows, n_real, n_out, real[layer + 1]))
                norm_at, running_at = norm_at + 2 * n_out, running_at + 2 * n_out
            if codes[1]:
                kept[start : start + size] = z
            activate(codes[0], z)
            _clear_padding(z, real[layer + 1], n_out)
            if rate > 0:
                if not codes[1]:
                    kept[start : start + size] = z
                masked = mask[start : start + size]
                draw_mask(masked, size, rate, keys, step, layer)
                for i in range(size):
                    z[i] *= masked[i]
            start += size
    return start


@kernel
def _clear_padding(z: Any, n_real: int, width: int) -> None:
    if n_real < width:
        for row in range(0, len(z), width):
            for i in range(row + n_real, row + width):
                z[i] = 0


@kernel
def _backward(
    rows: Any, room: Any, widths: Any, real: Any, codes: Any, x: Any, x_start: int, shown: Any, last: int, rate: float
) -> None:
    """Turn dLoss/dOutputs, lying in out from `last` on, into the gradients of all parameters."""
    parameters, gradients = rows[0], rows[1]
    out, kept, mask, one_delta, other_delta, transposed, zeros = room[:7]
    n_rows, n_real = shown
    delta, delta_at, start, weight_at, norm_at = out, last, last, _norm_start(widths), len(parameters)
    for layer in range(len(widths) - 2, -1, -1):
        n_in, n_out = widths[layer], widths[layer + 1]
        weight_at -= n_in * n_out + n_out
        bias_at = weight_at + n_in * n_out
        if codes[6] == BATCH and layer < len(widths) - 2:
            gradients[bias_at : bias_at + n_out] = 0  # shift does their work
        else:
            sum_rows(delta, delta_at, gradients, bias_at, n_rows, n_out)
        if layer == 0:
            multiply(x, x_start, 1, n_in, delta, delta_at, zeros, 0, gradients, weight_at, n_in, n_out, n_rows)
            break
        start -= n_rows * n_in
        multiply(out, start, 1, n_in, delta, delta_at, zeros, 0, gradients, weight_at, n_in, n_out, n_rows)
        transpose(parameters, weight_at, transposed, 0, n_in, n_out)
        below = one_delta if layer % 2 else other_delta
        multiply(delta, delta_at, n_out, 1, transposed, 0, zeros, 0, below, 0, n_rows, n_in, n_out)
        size = n_rows * n_in
        if rate > 0:
            for i in range(size):
                below[i] *= mask[start + i]
        seen = kept if codes[1] or rate > 0 else out
        pull_back(codes[0], below[:size], seen[start : start + size])
        if codes[6]:
            norm_at -= 2 * n_in
            by_norm = _kept_by_norm(room, start, size, layer - 1, widths, n_rows)
            pair, gradient = _pair(parameters, norm_at, n_in), _pair(gradients, norm_at, n_in)
            pull_back_sums(codes[6], below[:size], by_norm, pair, gradient, (n_rows, n_real, n_in, real[layer]))
        delta, delta_at = below, 0


@kernel
def infer(parameters: Any, running: Any, room: Any, widths: Any, real: Any, codes: Any, x: Any, answers: Any) -> None:
    """Answer rows without dropout, as many at a time as fit into the room.

    Shapes: x [N * inputs], answers [N * outputs], N a multiple of 16.
    """
    n_all, n_columns = len(x) // widths[0], widths[-1]
    no_dropout = (0.0, np.zeros(2, np.uint32))
    for first in range(0, n_all, VALIDATION_ROWS):
        n_rows = min(VALIDATION_ROWS, n_all - first)
        shown = n_rows, 0
        last = _forward(parameters, running, room, widths, real, codes, x, first * widths[0], shown, no_dropout, 0)
        size = n_rows * n_columns
        answers[first * n_columns : first * n_columns + size] = room[0][last : last + size]
    activate(codes[4], answers)
