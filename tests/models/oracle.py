"""The independent twin of a lane: nn.Sequential and torch.optim in float64. It shares only random draws with packs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from models.batches import batch_order
from models.dropout import dropout_keys
from models.embedding import Embedding
from models.hyper import Hyperparameters
from models.lanes import PackData
from models.layout import Layout

ACTIVATIONS = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "logistic": nn.Sigmoid,
    "identity": nn.Identity,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
    "selu": nn.SELU,
    "softplus": nn.Softplus,
    "mish": nn.Mish,
}


class GivenDropout(nn.Module):
    """Multiplies by the mask it was handed."""

    mask: torch.Tensor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.mask if self.training else x


class Embedded(nn.Module):
    """Replaces blocks of inputs by their products with tables, and lets the others pass; single inputs become sines
    and cosines, which stand behind."""

    def __init__(self, embedding: Embedding, numbers: torch.Tensor) -> None:
        super().__init__()
        shapes = [(n, size) for _, n, size in embedding.tables] + [(n,) for _, n in embedding.waves]
        self.starts = [first for first, *_ in (*embedding.tables, *embedding.waves)]
        parts = numbers.split([int(np.prod(shape)) for shape in shapes])
        self.learned = nn.ParameterList(
            nn.Parameter(part.view(shape).clone()) for part, shape in zip(parts, shapes, strict=True)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts, angles, place = [], [], 0
        for start, learned in sorted(zip(self.starts, self.learned, strict=True), key=lambda pair: pair[0]):
            parts.append(x[:, place:start])
            if learned.ndim == 2:
                place = start + len(learned)
                parts.append(x[:, start:place] @ learned)
            else:
                place = start + 1
                angles.append(2 * torch.pi * learned * x[:, start:place])
        sines, cosines = [angle.sin() for angle in angles], [angle.cos() for angle in angles]
        return torch.cat([*parts, x[:, place:], *sines, *cosines], dim=1)


def hash_numbers(keys: list[int], step: int, layer: int, n: int) -> np.ndarray:
    """The numbers behind n dropout decisions, in whole numbers of any length cut to 32 bits."""

    def mix(h: int) -> int:
        h = (h ^ h >> 16) * 0x85EBCA6B % 2**32
        h = (h ^ h >> 13) * 0xC2B2AE35 % 2**32
        return h ^ h >> 16

    salt = mix((keys[0] + step * 0x9E3779B9 + layer) % 2**32)
    return np.array([mix((mix((i * 0x9E3779B9 + salt) % 2**32) + keys[1]) % 2**32) for i in range(n)])


@dataclass
class Twin:
    """One network trained alone."""

    data: PackData
    hyper: Hyperparameters
    seed: int
    job_seed: int

    def __post_init__(self) -> None:
        embedding = self.data.embedding
        self.layout = Layout.of(self.hyper, self.data.x_train.shape[1], self.data.n_outputs, embedding)
        flat = torch.from_numpy(self.layout.unpack(self.layout.draw(self.seed, self.hyper)))
        modules: list[nn.Module] = []
        for depth, (n_in, n_out) in enumerate(pairwise(self.layout.widths)):
            weight, bias, flat = flat.split([n_in * n_out, n_out, len(flat) - n_in * n_out - n_out])
            linear = nn.Linear(n_in, n_out, dtype=torch.float64)
            linear.weight.data, linear.bias.data = weight.view(n_in, n_out).T.clone(), bias.clone()
            modules.append(linear)
            if depth < len(self.layout.widths) - 2 and self.hyper.normalisation == "batch":
                linear.bias.requires_grad_(False)  # it is 0, as without a bias
            if depth < len(self.layout.widths) - 2:
                modules += [*self._norm(n_out), ACTIVATIONS[self.hyper.activation](), GivenDropout()]
        if embedding:
            modules.insert(0, Embedded(embedding, flat[len(flat) - embedding.n_numbers :]))
        self.net = nn.Sequential(*modules)
        self.optimizer = self._optimizer()
        self.schedulers = self._schedule()
        self.epoch = 0

    def _norm(self, width: int) -> list[nn.Module]:
        match self.hyper.normalisation:
            case "batch":
                return [nn.BatchNorm1d(width, dtype=torch.float64)]
            case "layer":
                return [nn.LayerNorm(width, dtype=torch.float64)]
        return []

    def _optimizer(self) -> torch.optim.Optimizer:
        h, parameters = self.hyper, self.net.parameters()
        rate, penalty = self._rate(), {"weight_decay": h.weight_decay}
        match h.optimizer:
            case "sgd":
                return torch.optim.SGD(parameters, rate, momentum=h.momentum, nesterov=h.nesterov, **penalty)
            case "adagrad":
                return torch.optim.Adagrad(parameters, rate, eps=h.epsilon, **penalty)
            case "rmsprop":
                return torch.optim.RMSprop(parameters, rate, alpha=h.beta2, eps=h.epsilon, **penalty)
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "nadam": torch.optim.NAdam}[h.optimizer]
        return kind(parameters, rate, (h.beta1, h.beta2), h.epsilon, **penalty)

    def _rate(self) -> float:
        """A batch twice as large as the one that the rate is meant for takes twice the rate."""
        h = self.hyper
        times = min(h.batch_size, len(self.data.x_train)) / h.rate_batch_size if h.rate_batch_size else 1
        return h.learning_rate * times

    def _schedule(self) -> list[Any]:
        """What moves the learning rate after every step: torch's own schedulers."""
        h, of = self.hyper, torch.optim.lr_scheduler
        per_epoch = -(-len(self.data.x_train) // min(h.batch_size, len(self.data.x_train)))
        total = h.schedule_epochs * per_epoch
        warm = h.warmup_epochs * per_epoch
        found: list[Any] = []
        match h.schedule:
            case "cosine":
                found.append(of.CosineAnnealingLR(self.optimizer, total))
            case "step":
                found.append(of.StepLR(self.optimizer, h.decay_epochs * per_epoch, h.decay_factor))
            case "exponential":
                found.append(of.ExponentialLR(self.optimizer, h.decay_factor ** (1 / (h.decay_epochs * per_epoch))))
            case "one_cycle":
                found.append(of.OneCycleLR(self.optimizer, self._rate(), total_steps=total))
        if warm:
            found.append(of.LinearLR(self.optimizer, 1 / warm, 1.0, total_iters=int(warm) - 1))
        return found

    def _loss(self, outputs: torch.Tensor, y: np.ndarray, rows: np.ndarray) -> torch.Tensor:
        """Torch's own losses without reduction where there are any; weighted and averaged over rows and targets."""
        truth = torch.from_numpy(y)
        if self.data.task == "regression":
            return self._regression_loss(outputs, truth.double()).mean()
        weights = torch.ones(len(y), 1) if self.data.weights is None else torch.from_numpy(self.data.weights[rows])
        if self.data.task == "multiclass":
            return (self._multiclass_loss(outputs, truth) * weights[:, 0].double()).mean()
        return (self._binary_loss(outputs, truth.view(len(y), -1).double()) * weights.double()).mean()

    def _regression_loss(self, outputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        h = self.hyper
        outputs = {"none": nn.Identity(), **{k: ACTIVATIONS[k]() for k in ACTIVATIONS}}[h.output_activation](outputs)
        match h.loss:
            case "absolute_error":
                return nn.functional.l1_loss(outputs, truth, reduction="none")
            case "huber":
                return nn.functional.huber_loss(outputs, truth, reduction="none", delta=h.huber_delta)
            case "log_cosh":
                return (outputs - truth).cosh().log()
            case "quantile":
                error = truth - outputs
                return torch.maximum(h.quantile * error, (h.quantile - 1) * error)
        return nn.functional.mse_loss(outputs, truth, reduction="none")

    def _binary_loss(self, outputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        h = self.hyper
        smooth = truth * (1 - h.label_smoothing) + h.label_smoothing / 2
        entropy = nn.functional.binary_cross_entropy_with_logits(outputs, smooth, reduction="none")
        match h.loss:
            case "focal":
                return (1 - torch.exp(-entropy)) ** h.focal_gamma * entropy
            case "hinge" | "perceptron":
                return (float(h.loss == "hinge") - (2 * truth - 1) * outputs).clamp(min=0)
        return entropy

    def _multiclass_loss(self, outputs: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        h = self.hyper
        entropy = nn.functional.cross_entropy(outputs, truth, reduction="none", label_smoothing=h.label_smoothing)
        match h.loss:
            case "focal":
                return (1 - torch.exp(-entropy)) ** h.focal_gamma * entropy
            case "hinge" | "perceptron":
                sign = 2 * nn.functional.one_hot(truth, outputs.shape[1]) - 1
                return (float(h.loss == "hinge") - sign * outputs).clamp(min=0).sum(1)
        return entropy

    def _drop(self, step: int, n_rows: int) -> None:
        """Hand the step's masks to the dropout modules."""
        rate = self.hyper.dropout
        keys = [int(key) for key in dropout_keys(self.seed, self.epoch)]
        for layer, module in enumerate(m for m in self.net if isinstance(m, GivenDropout)):
            width, padded = self.layout.widths[layer + 1], self.layout.padded[layer + 1]
            numbers = hash_numbers(keys, step, layer, n_rows * padded).reshape(n_rows, padded)[:, :width]
            module.mask = torch.from_numpy((numbers >= int(rate * 2**32)) / (1 - rate))

    def train_epoch(self) -> float:
        """Train one epoch and return the mean training loss."""
        n, size = len(self.data.x_train), min(self.hyper.batch_size, len(self.data.x_train))
        order, total = batch_order(n, self.job_seed, self.epoch, size), 0.0
        self.net.train()
        for step, start in enumerate(range(0, n, size)):
            rows = order[start : start + size]
            for module in self.net:
                if isinstance(module, nn.BatchNorm1d):
                    module.train(len(rows) > 1)  # torch refuses one row: it goes by the running statistics
            if self.hyper.dropout:
                self._drop(step, len(rows))
            else:
                for module in self.net:
                    module.mask = torch.ones(())  # type: ignore[assignment]
            self.optimizer.zero_grad()
            outputs = self.net(torch.from_numpy(self.data.x_train[rows]).double())
            loss = self._loss(outputs, self.data.y_train[rows], rows)
            loss.backward()
            self._step()
            total += loss.item() * len(rows) / n
        self.epoch += 1
        return total

    def _step(self) -> None:
        self._regularise()
        torch.set_default_dtype(torch.float64)  # in which torch's NAdam then keeps its product of momenta
        try:
            self.optimizer.step()
        finally:
            torch.set_default_dtype(torch.float32)
        for scheduler in self.schedulers:
            scheduler.step()

    def _regularise(self) -> None:
        for parameter in self.net.parameters():
            if parameter.grad is not None:
                parameter.grad += self.hyper.l1 * parameter.detach().sign()
        if self.hyper.gradient_clip:
            nn.utils.clip_grad_norm_(self.net.parameters(), self.hyper.gradient_clip)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """Return raw outputs of the last layer."""
        self.net.eval()
        with torch.no_grad():
            return self.net(torch.from_numpy(x).double()).numpy()

    def parameters(self) -> np.ndarray:
        """All numbers in the order of a LaneState."""
        linear = [m for m in self.net if isinstance(m, nn.Linear)]
        parts = [p for m in linear for p in (m.weight.detach().numpy().T.ravel(), m.bias.detach().numpy())]
        norms = [m for m in self.net if isinstance(m, nn.BatchNorm1d | nn.LayerNorm)]
        parts += [p.detach().numpy() for m in norms for p in (m.weight, m.bias)]
        learned = [part.detach().numpy().ravel() for m in self.net if isinstance(m, Embedded) for part in m.learned]
        return np.concatenate([*parts, *learned])

    def running(self) -> np.ndarray:
        """Running means and variances in the order of a LaneState."""
        norms = [m for m in self.net if isinstance(m, nn.BatchNorm1d)]
        parts = [p.numpy() for m in norms for p in (m.running_mean, m.running_var) if p is not None]
        return np.concatenate(parts) if parts else np.zeros(0)
