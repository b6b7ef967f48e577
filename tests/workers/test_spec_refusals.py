from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.scores import FACTS
from models.table import Table
from search.discovery import ALGORITHMS, SCHEDULERS
from tests.workers.spec_tables import TABLE, N, refusal_of, resolve_job, table_of
from workers.spec import JobSpec, ResolvedJob, SpecError, preview, read_spec, resolve
from workers.trainers import TRAINERS

RATE = {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}
TWO: dict[str, Any] = {"objective": ["r2", "n_parameters"]}
SMALL_NET: dict[str, Any] = {"limits": [{"metric": "n_parameters", "at_most": 500}]}


def marked(part: str, column: str, *values: Any) -> dict[str, Any]:
    return {part: {"kind": "column", "column": column, "values": list(values)}}


def by_group(column: str, **more: Any) -> dict[str, Any]:
    return {"split": {"validation": {"kind": "holdout", "group": column, **more}}}


def in_time(column: str, **more: Any) -> dict[str, Any]:
    return {"split": {"validation": {"kind": "time", "column": column, **more}}}


def in_folds(**more: Any) -> dict[str, Any]:
    return {"split": {"validation": {"kind": "kfold", **more}}}


def evolving(**body: Any) -> dict[str, Any]:
    return {"trainer": "neuroevolution", **body}


def by_value(column: str) -> dict[str, Any]:
    return {"split": {"validation": {"kind": "folds", "column": column}}}


REFUSED: list[tuple[dict[str, Any], str, str, str]] = [
    # body, code, path, words of the message
    ({"nam": "x"}, "invalid-request", "nam", "did you mean name"),
    ({"budget": {"trial": 3}}, "invalid-request", "budget.trial", "no such field"),
    ({"dataset": 5}, "invalid-request", "dataset", "got 5"),
    ({"target": 5}, "invalid-request", "target", "got 5"),
    ({"target": "town", "split": marked("test", "town", "b")}, "invalid-data", "target", "marks the rows of a split"),
    (
        {"algorithm": {"kind": "annealing"}},
        "invalid-request",
        "algorithm.kind",
        "'grid', 'hyperopt', 'optuna', 'random', 'sobol'",
    ),
    ({"algorithm": {}}, "invalid-request", "algorithm.kind", "required"),
    ({"scheduler": {"kind": "asha", "grace": 1}}, "invalid-request", "scheduler.grace", "no such field"),
    ({"scheduler": {"kind": "asha", "grace_period": 31}}, "invalid-request", "scheduler.grace_period", "30"),
    ({"budget": {"trials": 10**9}}, "invalid-request", "budget.trials", "100000; got 1000000000"),
    ({"budget": {"epochs_per_trial": 0}}, "invalid-request", "budget.epochs_per_trial", "got 0"),
    ({"seed": -1}, "invalid-request", "seed", "got -1"),
    ({"range_test": {"low": 0}}, "invalid-request", "range_test.low", "greater than 0"),
    ({"range_test": {"high": 101}}, "invalid-request", "range_test.high", "100; got 101"),
    ({"range_test": {"steps": 19}}, "invalid-request", "range_test.steps", "20; got 19"),
    ({"range_test": {"lanes": 0}}, "invalid-request", "range_test.lanes", "got 0"),
    ({"range_test": {"adapt": True}}, "invalid-request", "range_test.adapt", "no such field"),
    ({"range_test": {"low": 0.1, "high": 0.1}}, "invalid-request", "range_test.low", "low must be below high"),
    (
        {"range_test": {"adopt": True}, "fixed": {"learning_rate": 0.1}},
        "invalid-request",
        "range_test.adopt",
        "no float parameter of the space",
    ),
    (
        {"range_test": {"adopt": True}, "space": {"learning_rate": {"type": "choice", "values": [0.1, 0.2]}}},
        "invalid-request",
        "range_test.adopt",
        "no float parameter of the space",
    ),
    (
        {"range_test": {"adopt": True}, "space": {"learning_rate": {**RATE, "log": False, "step": 1e-3}}},
        "invalid-request",
        "range_test.adopt",
        "has a step",
    ),
    (
        {
            "range_test": {"adopt": True},
            "space": {
                "learning_rate": RATE,
                "dropout": {"type": "float", "low": 0, "high": 0.5, "when": {"learning_rate": {"ge": 0.05}}},
            },
        },
        "invalid-request",
        "range_test.adopt",
        "conditions of dropout speak of learning_rate",
    ),
    ({"constraints": "units < 5"}, "invalid-request", "constraints", "valid list"),
    ({"constraints": ["units <"]}, "invalid-request", "constraints.0", "(character 8); got 'units <'"),
    ({"constraints": ["1 < 2", {"sum": {"units": 1}}]}, "invalid-request", "constraints.1", "needs le, ge or both"),
    ({"constraints": ["1 < 2"] * 33}, "invalid-request", "constraints", "at most 32"),
    ({"constraints": ["unit < 5"]}, "invalid-space", "constraints.0", "did you mean units"),
    ({"constraints": ["1 / dropout < 5"]}, "invalid-space", "constraints.0", "may divide by 0"),
    ({"constraints": ["learning_rate > 1"]}, "invalid-space", "constraints.0", "none of 10000 points"),
    (
        {"space": {"units": {"type": "int", "low": 8, "high": 9, "per_layer": True}}, "constraints": ["units < 9"]},
        "invalid-space",
        "constraints.0",
        "name them, units.1, units.2",
    ),
    (
        {"range_test": {"adopt": True}, "space": {"learning_rate": RATE}, "constraints": ["learning_rate < 0.05"]},
        "invalid-request",
        "range_test.adopt",
        "constraints speak of learning_rate",
    ),
    (
        {
            "range_test": {"adopt": True},
            "space": {"learning_rate": {"type": "float", "log": True, "mean": -7.0, "sigma": 1.0}},
        },
        "invalid-request",
        "range_test.adopt",
        "normal law",
    ),
    (
        {"space": {"dropout": {"type": "float", "mean": 0.2, "sigma": 0.1}}},
        "invalid-space",
        "space.dropout.low",
        "-0.2 is no value of dropout",
    ),
    ({"space": {"dropout": {"type": "float", "mean": 0.2}}}, "invalid-request", "space.dropout.low", "required"),
    (
        {"space": {"dropout": {"type": "float", "mean": 0.2, "sigma": -1, "low": 0, "high": 0.5}}},
        "invalid-request",
        "space.dropout.sigma",
        "greater than 0",
    ),
    ({"space": {"learning_rate": {**RATE, "log": "revers"}}}, "invalid-request", "space.learning_rate.log", "reverse"),
    (
        {"space": {"activation": {"type": "choice", "values": ["relu", "tanh"], "weights": [1]}}},
        "invalid-space",
        "space.activation.weights",
        "each value needs one",
    ),
    ({"contenders": 0}, "invalid-request", "contenders", "got 0"),
    ({"contenders": 1}, "invalid-request", "contenders", "set ensemble to null"),
    ({"ensemble": {"size": 0}}, "invalid-request", "ensemble.size", "got 0"),
    ({"ensemble": {"size": 1}}, "invalid-request", "ensemble.size", "got 1"),
    ({"ensemble": {"size": 3, "start": 4}}, "invalid-request", "ensemble.start", "at most size, 3"),
    ({"ensemble": {"bags": 101}}, "invalid-request", "ensemble.bags", "100"),
    ({"ensemble": {"members": 3}}, "invalid-request", "ensemble.members", "no such field"),
    ({"ensemble": True}, "invalid-request", "ensemble", "got True"),
    (
        {"space": {"learning_rate": {"type": "float", "low": 1e-3}}},
        "invalid-request",
        "space.learning_rate.high",
        "required",
    ),
    ({"space": {"lerning_rate": RATE}}, "invalid-space", "space.lerning_rate", "did you mean learning_rate"),
    ({"fixed": {"momentun": 0.5}}, "invalid-space", "fixed.momentun", "did you mean momentum"),
    ({"fixed": {"zzz": 1}}, "invalid-space", "fixed.zzz", "Allowed: hidden_layers"),
    (
        {"fixed": {"learning_rate": 0.1}, "space": {"learning_rate": RATE}},
        "invalid-space",
        "fixed.learning_rate",
        "both",
    ),
    ({"fixed": {"learning_rate": -1}}, "invalid-space", "fixed.learning_rate", "greater than 0"),
    ({"fixed": {"units": [8]}, "space": {"learning_rate": RATE}}, "invalid-space", "fixed.units", "2 hidden layers"),
    ({"space": {"learning_rate": {**RATE, "low": 0.0}}}, "invalid-space", "space.learning_rate.low", "above 0"),
    ({"space": {"learning_rate": {**RATE, "high": 1e-4}}}, "invalid-space", "space.learning_rate.low", "below high"),
    ({"space": {"learning_rate": {**RATE, "high": 1e3}}}, "invalid-space", "space.learning_rate.high", "100"),
    (
        {"space": {"units": {"type": "int", "low": 8, "high": 64, "default": 10**400}}},
        "invalid-request",
        "space.units.default",
        "9007199254740992",
    ),
    (
        {"space": {"hidden_layers": {"type": "float", "low": 1, "high": 3}}},
        "invalid-space",
        "space.hidden_layers.type",
        "int",
    ),
    (
        {"space": {"activation": {"type": "choice", "values": ["relu", "sin"]}}},
        "invalid-space",
        "space.activation.values.1",
        "tanh",
    ),
    (
        {"space": {"dropout": {"type": "float", "low": 0, "high": 0.5, "when": {"lr": 1}}}},
        "invalid-space",
        "space.dropout.when.lr",
        "allowed",
    ),
    (
        {"space": {"momentum": {"type": "float", "low": 0.1, "high": 0.9}}},
        "invalid-space",
        "space.momentum.when.optimizer",
        "adam",
    ),
    (
        {"space": {"batch_size": {"type": "int", "low": 8, "high": 64, "per_layer": True}}},
        "invalid-space",
        "space.batch_size.per_layer",
        "units",
    ),
    (
        {"fixed": {"hidden_layers": 0}, "space": {"units": {"type": "int", "low": 8, "high": 64, "per_layer": True}}},
        "invalid-space",
        "space.units",
        "always 0",
    ),
    (
        {"fixed": {"units": [8, 16], "shape": "funnel"}, "space": {"learning_rate": RATE}},
        "invalid-space",
        "fixed.shape",
        "a funnel cannot be wider at its end, as with units [8, 16]",
    ),
    (
        {"fixed": {"units": [16, 8]}, "space": {"shape": {"type": "choice", "values": ["constant", "triangle"]}}},
        "invalid-space",
        "space.shape.values.1",
        "can only be constant, not triangle",
    ),
    (
        {"fixed": {"shape": "long_funnel"}, "space": {"units": {"type": "choice", "values": [64, [32, 64]]}}},
        "invalid-space",
        "fixed.shape",
        "a long_funnel cannot be wider at its end, as with units [32, 64]",
    ),
    (
        {
            "space": {
                "units": {"type": "int", "low": 8, "high": 64, "per_layer": True},
                "shape": {"type": "choice", "values": ["constant", "funnel"]},
            }
        },
        "invalid-space",
        "space.shape.values.1",
        "a funnel that is wider at its end could be drawn",
    ),
    ({"fixed": {"shape": "brick"}}, "invalid-space", "fixed.shape", "'constant', 'funnel', 'triangle'"),
    ({"fixed": {"normalisation": "group"}}, "invalid-space", "fixed.normalisation", "'none', 'batch' or 'layer'"),
    (
        {"fixed": {"hidden_layers": 0}, "space": {"normalisation": {"type": "choice", "values": ["none", "batch"]}}},
        "invalid-space",
        "space.normalisation.when.hidden_layers",
        "0",
    ),
    (
        {"fixed": {"hidden_layers": 1}, "space": {"shape": {"type": "choice", "values": ["constant", "funnel"]}}},
        "invalid-space",
        "space.shape.when.hidden_layers",
        "1",
    ),
    ({"space": {}}, "invalid-space", "space", "nothing varies"),
    ({"preset": "defualt"}, "invalid-space", "preset", "did you mean default"),
    ({"algorithm": {"kind": "grid"}}, "invalid-space", "space.learning_rate.step", "grid"),
    (
        {"scheduler": {"kind": "pbt"}, "space": {"hidden_layers": {"type": "int", "low": 0, "high": 3}}},
        "invalid-space",
        "space",
        "may change",
    ),
    (
        {"algorithm": {"kind": "hyperopt"}, "scheduler": {"kind": "pbt"}},
        "invalid-pair",
        "algorithm.kind",
        "random or grid",
    ),
    ({"scheduler": {"kind": "hyperband"}, "parallelism": 4}, "invalid-request", "parallelism", "at least"),
    ({"objective": "accuracy"}, "invalid-request", "objective", "allowed: mean_squared_error"),
    ({"objective": "roc_auc", "target": "town"}, "invalid-request", "objective", "of multiclass"),
    ({"objective": "mse"}, "invalid-request", "objective", "'mse' is no metric"),
    ({"objective": "neg_mean_squared_eror"}, "invalid-request", "objective", "did you mean mean_squared_error?"),
    (
        {"objective": "mean_gamma_deviance"},
        "invalid-data",
        "objective",
        "needs targets above 0; 'price' goes down to 0",
    ),
    ({"objective": "max_error", "target": ["price", "stars"]}, "invalid-data", "objective", "takes one target, 2 were"),
    ({"metrics": ["r2", "mse"]}, "invalid-request", "metrics.1", "'mse' is no metric of regression"),
    ({"metrics": ["f1"]}, "invalid-request", "metrics.0", "of regression; allowed: mean_squared_error"),
    ({"metrics": ["f1"], "target": "town"}, "invalid-request", "metrics.0", "of multiclass; allowed: log_loss"),
    ({"metrics": ["max_error", "r2", "max_error"]}, "invalid-request", "metrics.2", "'max_error' is named twice"),
    ({"metrics": ["mean_gamma_deviance"]}, "invalid-data", "metrics.0", "needs targets above 0"),
    ({"metrics": [3]}, "invalid-request", "metrics.0", "string"),
    ({"metrics": "r2"}, "invalid-request", "metrics", "list"),
    ({"target": "prize"}, "invalid-data", "target", "did you mean 'price'"),
    ({"target": None}, "invalid-data", "target", "name the column"),
    ({"target": ["price", "price"]}, "invalid-data", "target", "twice"),
    ({"target": "same"}, "invalid-data", "target", "one class or value only, 7"),
    ({"target": "nothing"}, "invalid-data", "target", "nothing but missing"),
    ({"target": "word", "task": "regression"}, "invalid-data", "target", "regression needs numbers"),
    ({"target": "town", "task": "binary"}, "invalid-data", "task", "has 3"),
    ({"target": ["stars", "price"], "task": "multiclass"}, "invalid-data", "task", "one target"),
    ({"task": "multilabel"}, "invalid-data", "task", "multilabel needs 2 classes; 'price' has 100"),
    ({"target": ["sold", "town"], "task": "multilabel"}, "invalid-data", "task", "'town' has 3"),
    (
        {
            "target": ["sold", "shop"],
            "task": "multilabel",
            "split": {"validation": {"kind": "holdout", "stratify": True}},
        },
        "invalid-data",
        "split.validation.stratify",
        "multilabel takes auto or false",
    ),
    ({"fixed": {"loss": "cross_entropy"}}, "invalid-space", "fixed.loss", "cross_entropy is not for regression"),
    ({"fixed": {"loss": "perceptron"}}, "invalid-space", "fixed.loss", "allowed: auto, squared_error, absolute_error"),
    ({"preset": "perceptron"}, "invalid-space", "fixed.loss", "the loss perceptron is not for regression"),
    ({"target": "town", "fixed": {"loss": "huber"}}, "invalid-space", "fixed.loss", "huber is not for multiclass"),
    (
        {"target": "shop", "space": {"loss": {"type": "choice", "values": ["focal", "quantile"]}}},
        "invalid-space",
        "space.loss.values.1",
        "the loss quantile is not for binary; allowed: auto, cross_entropy, focal, hinge, perceptron",
    ),
    (
        {"target": "town", "fixed": {"output_activation": "logistic"}},
        "invalid-space",
        "fixed.output_activation",
        "logistic is for regression; multiclass has its own",
    ),
    (
        {"target": "shop", "space": {"output_activation": {"type": "choice", "values": ["none", "tanh"]}}},
        "invalid-space",
        "space.output_activation.values.1",
        "for regression",
    ),
    ({"fixed": {"class_weight": "balanced"}}, "invalid-space", "fixed.class_weight", "regression has none"),
    ({"fixed": {"label_smoothing": 0.1}}, "invalid-space", "fixed.label_smoothing", "regression has none"),
    (
        {"space": {"label_smoothing": {"type": "float", "low": 0.0, "high": 0.2}}},
        "invalid-space",
        "space.label_smoothing.high",
        "regression has none",
    ),
    ({"fixed": {"huber_delta": 0}}, "invalid-space", "fixed.huber_delta", "greater than 0"),
    ({"fixed": {"quantile": 1}}, "invalid-space", "fixed.quantile", "less than 1"),
    ({"fixed": {"loss": "softmax"}}, "invalid-space", "fixed.loss", "'cross_entropy'"),
    (
        {"target": "shop", "objective": "log_loss", "fixed": {"loss": "perceptron"}},
        "invalid-request",
        "objective",
        "'log_loss' needs probabilities, and the loss perceptron gives none; allowed: accuracy",
    ),
    (
        {
            "target": "shop",
            "objective": "log_loss",
            "space": {"loss": {"type": "choice", "values": ["auto", "hinge"]}},
        },
        "invalid-request",
        "objective",
        "the loss hinge gives none",
    ),
    (
        {
            "target": "shop",
            "objective": "accuracy",
            "fixed": {"loss": "hinge"},
            "early_stopping": {"metric": "log_loss"},
        },
        "invalid-request",
        "early_stopping.metric",
        "'log_loss' needs probabilities, and the loss hinge gives none; allowed: accuracy",
    ),
    ({"columns": {}}, "invalid-data", "columns.exclude", "'nothing' holds nothing but missing"),
    ({"columns": {"include": ["nothing", "stars"]}}, "invalid-data", "columns.include", "nothing but missing"),
    ({"columns": {"exclude": ["nothing", "price"]}}, "invalid-data", "columns.exclude", "is the target"),
    ({"columns": {"include": ["price", "stars"]}}, "invalid-data", "columns.include", "is the target"),
    ({"columns": {"exclude": ["nothing", "twon"]}}, "invalid-data", "columns.exclude", "did you mean 'town'"),
    ({"columns": {"include": []}}, "invalid-data", "columns", "no feature is left"),
    (
        {"columns": {"exclude": ["nothing"], "kinds": {"town": "numeric"}}},
        "invalid-data",
        "columns.kinds.town",
        "no number",
    ),
    (
        {"columns": {"exclude": ["nothing"], "kinds": {"gone": "numeric"}}},
        "invalid-data",
        "columns.kinds",
        "no column 'gone'",
    ),
    ({"fixed": {"numeric_scaling": "minmax"}}, "invalid-space", "fixed.numeric_scaling", "'robust_smooth'"),
    ({"fixed": {"numeric_clip": -1}}, "invalid-space", "fixed.numeric_clip", "greater than or equal to 0"),
    ({"fixed": {"embedding_bins": 1}}, "invalid-space", "fixed.embedding_bins", "greater than or equal to 2"),
    ({"fixed": {"frequency_scale": 0}}, "invalid-space", "fixed.frequency_scale", "greater than 0"),
    ({"fixed": {"categorical_encoding": "target"}}, "invalid-space", "fixed.categorical_encoding", "'embedding'"),
    (
        {"space": {"embedding_size": {"type": "int", "low": 2, "high": 9}}},
        "invalid-space",
        "space.embedding_size.when.categorical_encoding",
        "one_hot",
    ),
    ({"fixed": {"max_categories": 0}}, "invalid-space", "fixed.max_categories", "greater than or equal to 1"),
    (
        {"space": {"embedding_bins": {"type": "int", "low": 4, "high": 64}}},
        "invalid-space",
        "space.embedding_bins.when.numeric_embedding",
        "none",
    ),
    (
        {"space": {"missing": {"type": "choice", "values": ["mean", "mode"]}}},
        "invalid-space",
        "space.missing.values.1",
        "'median'",
    ),
    ({"split": marked("test", "prt", "test")}, "invalid-data", "split.test.column", "did you mean 'part'"),
    ({"split": marked("test", "part", "tset")}, "invalid-data", "split.test.values", "'train'"),
    (
        {"split": {**marked("test", "part", "test"), **marked("validation", "part", "test")}},
        "invalid-data",
        "split.validation.values",
        "test rows already",
    ),
    ({"split": {"test": {"kind": "column"}}}, "invalid-request", "split.test.column", "required"),
    (
        {"split": {"test": {"kind": "fraction", "fraction": 1.5}}},
        "invalid-request",
        "split.test.fraction",
        "less than 1",
    ),
    ({"split": {"test": {"kind": "fraction", "fraction": 0.95}}}, "invalid-data", "dataset", "at least 10 to train"),
    (
        {"split": {"validation": {"kind": "holdout", "stratify": True}}},
        "invalid-data",
        "split.validation.stratify",
        "classes",
    ),
    (
        {"target": "rare", "split": {"validation": {"kind": "holdout", "stratify": True}}},
        "invalid-data",
        "split.validation.stratify",
        "'once' has 1",
    ),
    (in_folds(folds=81), "invalid-data", "split.validation.folds", "80 are the most"),
    (in_folds(folds=1), "invalid-request", "split.validation.folds", "greater than or equal to 2"),
    (in_folds(group="town", folds=3), "invalid-data", "split.validation.folds", "'town' has 3 groups, of which"),
    (in_folds(stratify=True), "invalid-data", "split.validation.stratify", "regression takes auto"),
    ({**in_folds(), "target": "rare"}, "invalid-data", "split.validation.stratify", "class 'once' has 1 row outside"),
    (
        {**in_folds(stratify=True, folds=20), "target": "stars", "task": "multiclass"},
        "invalid-data",
        "split.validation.stratify",
        "class 4 has 16 rows outside the test part; 20 are needed to be in every fold",
    ),
    (in_time("stars", folds=80), "invalid-data", "split.validation.folds", "79 are the most"),
    (by_value("prt"), "invalid-data", "split.validation.column", "did you mean 'part'"),
    (by_value("same"), "invalid-data", "split.validation.column", "1 different values; 2 to 100"),
    ({**by_value("town"), "target": "town"}, "invalid-data", "target", "marks the rows of a split"),
    ({**in_folds(repeats=100), "repeats": 5}, "invalid-request", "repeats", "5 repeats of 300 folds; at most 1000"),
    (by_group("twn"), "invalid-data", "split.validation.group", "did you mean 'town'"),
    (by_group("holes"), "invalid-data", "split.validation.group", "no value in 25 rows"),
    (by_group("same"), "invalid-data", "split.validation.group", "'same' has 1 groups"),
    (by_group("shop"), "invalid-data", "split.validation.group", "'shop' has 2 groups"),
    (by_group("town", stratify=True), "invalid-data", "split.validation.stratify", "groups stay whole"),
    ({**by_group("price"), "target": "price"}, "invalid-data", "target", "groups or orders"),
    (in_time("wrd"), "invalid-data", "split.validation.column", "did you mean 'word'"),
    (in_time("word"), "invalid-data", "split.validation.column", "'w0' is neither a number nor a date"),
    (in_time("sold"), "invalid-data", "split.validation.column", "neither a number nor a date"),
    (in_time("holes"), "invalid-data", "split.validation.column", "no value in 25 rows"),
    (in_time("stars", folds=3, fraction=0.2), "invalid-request", "split.validation", "exclude each other"),
    ({"split": {"stopping": {"kind": "share"}}}, "invalid-request", "split.stopping.kind", "'fraction', 'column'"),
    ({"split": marked("stopping", "prt", "x")}, "invalid-data", "split.stopping.column", "did you mean 'part'"),
    ({"split": {"stopping": {"kind": "fraction", "fraction": 0.9}}}, "invalid-data", "dataset", "58 to stop"),
    (
        {"split": {**marked("validation", "part", "test"), **marked("stopping", "part", "test")}},
        "invalid-data",
        "split.stopping.values",
        "validation rows already",
    ),
    ({"early_stopping": {"metric": "accuracy"}}, "invalid-request", "early_stopping.metric", "allowed: mean_squared"),
    ({"early_stopping": {"metric": "max_eror"}}, "invalid-request", "early_stopping.metric", "did you mean max_error?"),
    ({"early_stopping": {"metric": "mean_gamma_deviance"}}, "invalid-data", "early_stopping.metric", "above 0"),
    ({**by_group("town"), "contenders": 1, "refit": True}, "invalid-request", "contenders", "set ensemble to null"),
    ({"repeats": 2, "ensemble": {"start": 11}}, "invalid-request", "ensemble.start", "at most size, 10"),
    ({"early_stopping": {"min_delta": -1}}, "invalid-request", "early_stopping.min_delta", "greater than or equal"),
    ({"objective": []}, "invalid-request", "objective", "1 to 4"),
    ({"objective": ["r2", "max_error", *FACTS, "mean_squared_error"]}, "invalid-request", "objective", "5 are given"),
    ({"objective": ["r2", "r2"]}, "invalid-request", "objective.1", "named twice"),
    ({"objective": ["r2", "n_params"]}, "invalid-request", "objective.1", "did you mean n_parameters"),
    ({"objective": ["n_parameters", "r2"]}, "invalid-request", "objective.0", "further objective or a limit"),
    ({"objective": "n_parameters"}, "invalid-request", "objective", "further objective or a limit"),
    ({"objective": ["r2", {"name": "x", "maximize": True}]}, "invalid-request", "objective", "a name is expected"),
    ({"early_stopping": {"metric": "n_parameters"}}, "invalid-request", "early_stopping.metric", "every epoch"),
    ({"limits": [{"metric": "n_parameters"}]}, "invalid-request", "limits.0", "at_most, at_least or both"),
    (
        {"limits": [{"metric": "r2", "at_most": 0.1, "at_least": 0.2}]},
        "invalid-request",
        "limits.0",
        "at least 0.2 and at most 0.1",
    ),
    ({"limits": [{"metric": "size", "at_most": 1}]}, "invalid-request", "limits.0.metric", "no metric of regression"),
    ({"limits": [{"metric": "r2", "at_least": 0}] * 2}, "invalid-request", "limits.1.metric", "named twice"),
    ({"limits": [{"metric": "r2", "at_least": "x"}]}, "invalid-request", "limits.0.at_least", "number"),
    ({**TWO, "budget": {"stop_at": 1.0}}, "invalid-request", "budget.stop_at", "several objectives"),
    ({**TWO, "budget": {"patience_trials": 3}}, "invalid-request", "budget.patience_trials", "trials or seconds"),
    ({**TWO, "keep_models": 5}, "invalid-request", "keep_models", "whole front"),
    ({**TWO, "ensemble": {"size": 3}}, "invalid-request", "ensemble", "null"),
    ({**SMALL_NET, "ensemble": {"size": 3}}, "invalid-request", "ensemble", "null"),
    ({**TWO, "points": [{"parameters": {}, "objective": 1.0}]}, "invalid-request", "points", "leave objective out"),
    ({**SMALL_NET, "warm_start": {"jobs": ["j_1"]}}, "invalid-request", "warm_start.results", "best points only"),
    ({"repeats": 0}, "invalid-request", "repeats", "greater than or equal to 1"),
    ({"refit": {"rows": "all"}}, "invalid-request", "refit", "boolean"),
    ({"trainer": "table"}, "not-yet", "trainer", "table"),
    (evolving(space={"learning_rate": RATE}), "invalid-space", "space.learning_rate", "has no hyperparameter"),
    (evolving(fixed={"dropout": 0.1}), "invalid-space", "fixed.dropout", "neuroevolution has no hyperparameter"),
    (evolving(fixed={"mutation_strength": 0}), "invalid-space", "fixed.mutation_strength", "greater than 0"),
    (evolving(fixed={"normalisation": "batch"}), "invalid-space", "fixed.normalisation", "'none' or 'layer'"),
    (evolving(fixed={"population_size": 1}), "invalid-space", "fixed.population_size", "greater than or equal to 2"),
    (evolving(fixed={"truncation": 0.0}), "invalid-space", "fixed.truncation", "greater than 0"),
    (evolving(fixed={"elites": 100}), "invalid-space", "fixed.elites", "100 elites leave no room"),
    (
        evolving(space={"population_size": {"type": "int", "low": 5, "high": 50}}, fixed={"elites": 5}),
        "invalid-space",
        "fixed.elites",
        "in a population of 5; allowed: fewer than population_size",
    ),
    (evolving(preset="strong"), "invalid-space", "preset", "for the trainer mlp, not for neuroevolution"),
    ({"preset": "neuroevolution"}, "invalid-space", "preset", "for the trainer neuroevolution, not for mlp"),
    (evolving(preset="neurevolution"), "invalid-space", "preset", "did you mean neuroevolution?"),
    (evolving(range_test={}), "invalid-request", "range_test", "has no learning_rate to test; allowed: null"),
    (evolving(fixed={"loss": "hinge"}), "invalid-space", "fixed.loss", "not for regression"),
    (
        evolving(scheduler={"kind": "pbt"}, space={"truncation": {"type": "float", "low": 0.1, "high": 0.5}}),
        "invalid-space",
        "space",
        "may change while a trial trains",
    ),
]


@pytest.mark.parametrize(("body", "code", "path", "words"), REFUSED, ids=lambda value: str(value)[:50])
def test_a_bad_job_is_refused_by_field_with_what_is_allowed(
    body: dict[str, Any], code: str, path: str, words: str
) -> None:
    given_code, problems = refusal_of(**body)
    assert path in problems, problems
    assert words in problems[path]
    assert given_code == code


def test_a_metric_is_refused_for_targets_below_what_it_is_defined_for() -> None:
    table = table_of(x=[float(i) for i in range(N)], y=[i * 0.5 - 1 for i in range(N)])
    for metric, words in (
        ("mean_poisson_deviance", "needs targets of at least 0; 'y' goes down to -1"),
        ("mean_squared_log_error", "needs targets above -1; 'y' goes down to -1"),
    ):
        _, problems = refusal_of(table, target="y", columns={}, metrics=[metric])
        assert words in problems["metrics.0"]
    table = table_of(x=[float(i) for i in range(N)], y=[i * 0.5 for i in range(N)])
    assert resolve_job(table, target="y", columns={}, metrics=["mean_poisson_deviance"]).task == "regression"


@pytest.mark.parametrize("activation", ["relu", "softplus"])
def test_a_target_below_zero_is_refused_for_outputs_that_are_not(activation: str) -> None:
    table = table_of(x=[float(n) for n in range(40)], y=[n - 2.5 for n in range(40)], z=[float(n) for n in range(40)])
    words = f"{activation} is never below 0, but the target 'y' goes down to -2.5"
    fixed = {"target": ["z", "y"], "columns": {}, "fixed": {"output_activation": activation}}
    assert refusal_of(table, **fixed) == ("invalid-space", {"fixed.output_activation": words})
    space = {"output_activation": {"type": "choice", "values": ["tanh", activation]}}
    path = "space.output_activation.values.1"
    assert refusal_of(table, target="y", columns={}, space=space) == ("invalid-space", {path: words})
    job = resolve(read_spec({"dataset": "d", "target": "z", "fixed": {"output_activation": activation}}), table)
    assert job.fixed["output_activation"] == activation


def test_a_column_of_dates_orders_rows_and_a_gap_in_it_is_refused() -> None:
    days = [np.datetime64("2024-01-01", "us") + i for i in range(N)]
    table = Table({"day": np.array(days), "y": np.arange(N) * 0.5, "x": np.arange(N) % 7.0}).schema
    assert resolve_job(table, target="y", columns={}, **in_time("day")).rows.validation == 16
    days[3] = np.datetime64("NaT")
    table = Table({"day": np.array(days), "y": np.arange(N) * 0.5, "x": np.arange(N) % 7.0}).schema
    _, problems = refusal_of(table, target="y", columns={}, **in_time("day"))
    assert "'day' has no value in 1 rows" in problems["split.validation.column"]


def test_two_rows_of_data_are_too_few() -> None:
    code, problems = refusal_of(table_of(x=[1.0, 2.0], y=[1.5, 2.5]), target="y", columns={})
    assert code == "invalid-data"
    assert problems["dataset"].startswith("2 rows give 1 to train, 0 to validate")


def test_problems_of_several_kinds_are_told_together() -> None:
    code, problems = refusal_of(
        target="prize",
        objective="nonsense",
        space={"units": {"type": "int", "low": 9, "high": 1}, "rate": RATE},
        columns={"exclude": ["gone"]},
    )
    assert code == "invalid-request"
    assert {"target", "objective", "space.units.low", "space.rate", "columns.exclude"} <= set(problems)


def test_a_column_that_happens_to_be_called_like_a_union_keeps_its_path() -> None:
    body = {"dataset": "d", "space": {"float": {"type": "float", "low": "x", "high": 1}}}
    with pytest.raises(SpecError) as refusal:
        read_spec(body)
    assert [problem.path for problem in refusal.value.problems] == ["space.float.low"]


@pytest.mark.parametrize("body", [None, [], "job", 3, {}])
def test_a_body_that_is_no_job_is_refused(body: Any) -> None:
    with pytest.raises(SpecError) as refusal:
        read_spec(body)
    assert refusal.value.code == "invalid-request"


NUMBERS = st.one_of(st.integers(-2, 5), st.sampled_from([0.0, 0.5, 1e-3, 100.0, 10**9, 10**400, math.nan, math.inf]))
WORDS = st.sampled_from(
    [
        "units",
        "units.1",
        "hidden_layers",
        "funnel",
        "price",
        "kind",
        "type",
        "float",
        "",
        "grid",
        "sgd",
        "hinge",
        "huber",
    ]
)
LEAVES = st.one_of(st.none(), st.booleans(), NUMBERS, WORDS)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3))
CONDITION = st.one_of(LEAVES, st.lists(LEAVES), st.dictionaries(st.sampled_from(["eq", "ge", "lt", "in"]), NUMBERS))
NAMES = st.sampled_from(
    [
        "units",
        "hidden_layers",
        "learning_rate",
        "dropout",
        "momentum",
        "optimizer",
        "activation",
        "shape",
        "loss",
        "quantile",
    ]
)
WHEN = st.dictionaries(NAMES, CONDITION, max_size=2)
RANGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["float", "int"]), "low": NUMBERS, "high": NUMBERS},
    optional={"log": st.booleans(), "step": NUMBERS, "default": NUMBERS, "per_layer": st.booleans(), "when": WHEN},
)
CHOICES = st.fixed_dictionaries(
    {"type": st.just("choice"), "values": st.lists(LEAVES, max_size=4)}, optional={"default": LEAVES, "when": WHEN}
)
SPLIT_COLUMNS = st.sampled_from(["part", "town", "stars", "holes", "price", "gone"])
VALIDATION = st.one_of(
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["kfold", "holdout"])},
        optional={
            "folds": st.integers(0, 90),
            "group": SPLIT_COLUMNS,
            "stratify": st.sampled_from(["auto", True, False]),
        },
    ),
    st.fixed_dictionaries(
        {"kind": st.sampled_from(["time", "folds"]), "column": SPLIT_COLUMNS}, optional={"folds": st.integers(0, 90)}
    ),
)
NEARLY_RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "space": st.dictionaries(NAMES, RANGES | CHOICES, max_size=4),
    "fixed": st.dictionaries(NAMES, LEAVES | st.lists(NUMBERS, max_size=3), max_size=2),
    "target": st.sampled_from(["price", "stars", "town", "sold", "holes", "same", ["price", "stars"], []]),
    "algorithm": st.fixed_dictionaries({"kind": st.sampled_from(sorted(ALGORITHMS))}),
    "scheduler": st.fixed_dictionaries({"kind": st.sampled_from(sorted(SCHEDULERS))}),
    "budget": st.dictionaries(st.sampled_from(["trials", "epochs_per_trial"]), st.integers(0, 300)),
    "parallelism": st.integers(0, 100),
    "task": st.sampled_from(["auto", "regression", "binary", "multiclass", "multilabel"]),
    "objective": st.sampled_from(["r2", "log_loss", "accuracy", "nonsense"]),
    "metrics": st.lists(st.sampled_from(["r2", "f1", "max_error", "mean_poisson_deviance", "nonsense"]), max_size=3),
    "preset": st.sampled_from([None, "default", "perceptron", "nonsense"]),
    "split": st.fixed_dictionaries(
        {"validation": VALIDATION},
        optional={
            "test": st.sampled_from([None, {"kind": "fraction"}]),
            "stopping": st.sampled_from([None, {"kind": "fraction", "fraction": 0.5}]),
        },
    ),
    "repeats": st.integers(0, 20),
    "columns": st.fixed_dictionaries({"exclude": st.lists(st.sampled_from(["nothing", "price", "word", "x"]))}),
}


@settings(max_examples=300, deadline=None)
@given(body=st.fixed_dictionaries({}, optional=NEARLY_RIGHT))
def test_a_job_that_is_nearly_right_is_refused_or_runs(body: dict[str, Any]) -> None:
    job = resolved_or_refused({"columns": {"exclude": ["nothing"]}, "target": "price", **body})
    if job is None:
        return
    assert preview(job)["trials"] == job.trials >= 1
    for encoded in job.search_request().initial_points[:3]:
        hyper = TRAINERS["mlp"].build(job.decode(encoded), job.fixed)
        assert len(hyper.widths) == hyper.hidden_layers


@settings(max_examples=200, deadline=None)
@given(field=st.sampled_from(list(JobSpec.model_fields)), value=JSON)
def test_no_value_of_any_field_does_worse_than_a_refusal(field: str, value: Any) -> None:
    resolved_or_refused({"dataset": "d", "columns": {"exclude": ["nothing"]}, "target": "price", field: value})


def resolved_or_refused(body: dict[str, Any]) -> ResolvedJob | None:
    """Resolve, or check that the refusal says something."""
    try:
        return resolve(read_spec({"dataset": "d", **body}), TABLE)
    except SpecError as error:
        refusal = error
    assert refusal.problems
    assert all(problem.message for problem in refusal.problems)
    return None
