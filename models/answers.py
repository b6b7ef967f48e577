"""What metrics of lanes are computed from, and sums whose bits do not depend on how many lanes there are."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Answers:
    """Predictions of K lanes beside the truth, float64.

    Shapes: regression: predicted [K, N, C] and truth [N, C] in raw units. Binary and multiclass: predicted
    [K, N, classes] are log probabilities, truth [N] class indices. Multilabel: predicted [K, N, L] are log
    probabilities of 1, truth [N, L] is 0 or 1.
    """

    predicted: Tensor
    truth: Tensor


def sum_rows(values: Tensor) -> Tensor:
    """Sum over axis 1 in 16 parts: torch splits a sum to a single number among threads, so one lane alone would get
    other bits than in company."""
    parts = torch.nn.functional.pad(values, (0, 0) * (values.ndim - 2) + (0, -values.shape[1] % 16))
    return parts.view(len(parts), -1, 16, *parts.shape[2:]).sum(1).sum(1)


def mean_rows(values: Tensor) -> Tensor:
    return sum_rows(values) / values.shape[1]
