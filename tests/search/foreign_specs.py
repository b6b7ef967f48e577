"""Examples from the documentation of other tuners, written shortly: what each says is theirs, the spelling is ours."""

from __future__ import annotations

from typing import Any

VERTEX_CONDITIONAL: dict[str, Any] = {
    # Vertex AI samples, createHyperparameterTuningJobPythonPackage.
    "displayName": "conditional",
    "maxTrialCount": 4,
    "parallelTrialCount": 2,
    "trialJobSpec": {"workerPoolSpecs": [{"replicaCount": 1}]},
    "studySpec": {
        "algorithm": "RANDOM_SEARCH",
        "metrics": [{"metricId": "val_rmse", "goal": "MINIMIZE"}],
        "parameters": [
            {
                "parameterId": "batch_size",
                "discreteValueSpec": {"values": [4, 8, 16, 32, 64, 128]},
                "scaleType": "UNIT_LINEAR_SCALE",
                "conditionalParameterSpecs": [
                    {
                        "parameterSpec": {
                            "parameterId": "decay",
                            "doubleValueSpec": {"minValue": 1e-07, "maxValue": 1},
                            "scaleType": "UNIT_LINEAR_SCALE",
                        },
                        "parentDiscreteValues": {"values": [32, 64]},
                    },
                    {
                        "parameterSpec": {
                            "parameterId": "learning_rate",
                            "doubleValueSpec": {"minValue": 1e-07, "maxValue": 1},
                            "scaleType": "UNIT_LINEAR_SCALE",
                        },
                        "parentDiscreteValues": {"values": [4, 8, 16]},
                    },
                ],
            }
        ],
    },
}

VERTEX_SDK: dict[str, Any] = {
    # Vertex AI samples, create_hyperparameter_tuning_job_sample.py, as the SDK's serialize_parameters writes it: 64-bit
    # numbers are text, enumerations are numbers.
    "display_name": "hp-test",
    "max_trial_count": 128,
    "parallel_trial_count": 8,
    "labels": {"my_key": "my_value"},
    "study_spec": {
        "metrics": [{"metric_id": "loss", "goal": "MINIMIZE"}],
        "parameters": [
            {
                "parameter_id": "lr",
                "double_value_spec": {"min_value": 0.001, "max_value": 0.1},
                "scale_type": 2,
            },
            {
                "parameter_id": "units",
                "integer_value_spec": {"min_value": "4", "max_value": "128"},
                "scale_type": 1,
            },
            {"parameter_id": "activation", "categorical_value_spec": {"values": ["relu", "selu"]}, "scale_type": 0},
            {
                "parameter_id": "batch_size",
                "discrete_value_spec": {"values": [128, 256]},
                "scale_type": 1,
            },
        ],
    },
}

VERTEX_VIZIER: dict[str, Any] = {
    # The notebook of Vertex AI Vizier: two metrics of r and theta.
    "display_name": "vizier",
    "study_spec": {
        "algorithm": "RANDOM_SEARCH",
        "parameters": [
            {"parameter_id": "r", "double_value_spec": {"min_value": 0, "max_value": 1}},
            {"parameter_id": "theta", "double_value_spec": {"min_value": 0, "max_value": 1.57}},
        ],
        "metrics": [{"metric_id": "y1", "goal": "MINIMIZE"}, {"metric_id": "y2", "goal": "MAXIMIZE"}],
    },
}

VERTEX_SAFETY: dict[str, Any] = {
    # The overview notebook of Vizier in Vertex AI's collection of workflows: two objectives and a safety metric.
    "display_name": "vizier_test",
    "study_spec": {
        "algorithm": "ALGORITHM_UNSPECIFIED",
        "parameters": [
            {
                "parameter_id": "input_example_2_parent",
                "categorical_value_spec": {"values": ["East", "West", "Big", "Left"], "default_value": "East"},
                "conditional_parameter_specs": [
                    {
                        "parent_categorical_values": {"values": ["East"]},
                        "parameter_spec": {
                            "parameter_id": "input_example_2_child_east",
                            "integer_value_spec": {"min_value": 1, "max_value": 100},
                        },
                    }
                ],
            }
        ],
        "metrics": [
            {"metric_id": "outcome_1", "goal": "MAXIMIZE"},
            {"metric_id": "outcome_2", "goal": "MINIMIZE"},
            {
                "metric_id": "outcome_3",
                "goal": "MAXIMIZE",
                "safety_config": {"safety_threshold": 0, "desired_min_safe_trials_fraction": 0.9},
            },
        ],
    },
}

VIZIER_FLAT: dict[str, Any] = {
    # The guide to search spaces of the open-source Vizier: flat, with a boolean and a default.
    "algorithm": "DEFAULT",
    "metrics": [{"metric_id": "metric_1", "goal": "MAXIMIZE"}],
    "parameters": [
        {"parameter_id": "double", "double_value_spec": {"min_value": 0.0, "max_value": 1.0}},
        {"parameter_id": "int", "integer_value_spec": {"min_value": "1", "max_value": "10"}},
        {"parameter_id": "discrete", "discrete_value_spec": {"values": [0.1, 0.3, 0.5]}},
        {"parameter_id": "categorical", "categorical_value_spec": {"values": ["a", "b", "c"]}},
        {"parameter_id": "bool", "categorical_value_spec": {"values": ["True", "False"]}},
        {
            "parameter_id": "double_with_default",
            "double_value_spec": {"min_value": 0.0, "max_value": 1.0, "default_value": 0.5},
        },
    ],
}


def vizier_conditional(low: float) -> dict[str, Any]:
    """The same guide's space with children of an optimizer; `low` is the least beta, there 0."""

    def child(name: str, optimizer: str, least: float, scale: str) -> dict[str, Any]:
        spec = {
            "parameter_id": name,
            "double_value_spec": {"min_value": least, "max_value": 1.0},
            "scale_type": f"UNIT_{scale}_SCALE",
        }
        return {"parameter_spec": spec, "parent_categorical_values": {"values": [optimizer]}}

    children = [
        child("sgd_learning_rate", "sgd", 0.0001, "LOG"),
        child("adam_learning_rate", "adam", 0.0001, "LOG"),
        child("adam_beta1", "adam", low, "REVERSE_LOG"),
        child("adam_beta2", "adam", low, "REVERSE_LOG"),
    ]
    optimizer = {
        "parameter_id": "optimizer",
        "categorical_value_spec": {"values": ["sgd", "adam"]},
        "conditional_parameter_specs": children,
    }
    return {"metrics": [{"metric_id": "accuracy"}], "parameters": [optimizer]}


LR = {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "0.03"}}
LAYERS = {"name": "num-layers", "parameterType": "int", "feasibleSpace": {"min": "2", "max": "5"}}
OPTIMIZER = {"name": "optimizer", "parameterType": "categorical", "feasibleSpace": {"list": ["sgd", "adam", "ftrl"]}}


def katib(algorithm: str, settings: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    """An Experiment of Katib's folder examples/v1beta1: most are this one with another algorithm."""
    algorithm_spec: dict[str, Any] = {"algorithmName": algorithm}
    if settings:
        algorithm_spec["algorithmSettings"] = [{"name": name, "value": value} for name, value in settings.items()]
    spec = {
        "objective": {
            "type": "maximize",
            "goal": 0.99,
            "objectiveMetricName": "Validation-accuracy",
            "additionalMetricNames": ["Train-accuracy"],
        },
        "algorithm": algorithm_spec,
        "parallelTrialCount": 3,
        "maxTrialCount": 12,
        "maxFailedTrialCount": 3,
        "parameters": [LR, LAYERS, OPTIMIZER],
        "trialTemplate": {"primaryContainerName": "training-container"},
        **changes,
    }
    named = {"apiVersion": "kubeflow.org/v1beta1", "kind": "Experiment", "metadata": {"name": algorithm}}
    return {**named, "spec": spec}


KATIB_GRID = katib(
    "grid",
    parameters=[
        {**LR, "feasibleSpace": {"min": "0.001", "max": "0.01", "step": "0.001"}},
        LAYERS,
        OPTIMIZER,
    ],
)
KATIB_HYPERBAND = katib(
    "hyperband",
    {"resource_name": "num-epochs", "eta": "2", "r_l": "2"},
    parallelTrialCount=2,
    maxTrialCount=2,
    parameters=[
        LR,
        LAYERS,
        OPTIMIZER,
        {"name": "num-epochs", "parameterType": "int", "feasibleSpace": {"min": "1", "max": "1"}},
    ],
)
KATIB_MEDIAN_STOP_YAML = """\
---
# This is example with median stopping early stopping rule.
apiVersion: kubeflow.org/v1beta1
kind: Experiment
metadata:
  namespace: kubeflow
  name: median-stop
spec:
  objective:
    type: maximize
    goal: 0.99
    objectiveMetricName: Validation-accuracy
    additionalMetricNames:
      - Train-accuracy
  algorithm:
    algorithmName: random
  earlyStopping:
    algorithmName: medianstop
    algorithmSettings:
      - name: min_trials_required
        value: "1"
      - name: start_step
        value: "2"
  parallelTrialCount: 2
  maxTrialCount: 15
  maxFailedTrialCount: 3
  parameters:
    - name: lr
      parameterType: double
      feasibleSpace:
        min: "0.01"
        max: "0.5"
    - name: num-epochs
      parameterType: int
      feasibleSpace:
        min: "3"
        max: "4"
  trialTemplate:
    retain: true
    primaryContainerName: training-container
"""


def katib_laws(algorithm: str, **laws: tuple[str, str, dict[str, str]]) -> dict[str, Any]:
    """hyperopt-distribution.yaml and optuna-distribution.yaml: {name: (type, min and max, step and distribution)}."""
    parameters = []
    for name, (kind, ends, rest) in laws.items():
        low, high = ends.split()
        parameters.append({"name": name, "parameterType": kind, "feasibleSpace": {"min": low, "max": high, **rest}})
    objective = {"type": "minimize", "goal": 0.05, "objectiveMetricName": "loss"}
    return katib(algorithm, objective=objective, parameters=parameters)


KATIB_HYPEROPT_LAWS = katib_laws(
    "random",
    lr=("double", "0.01 0.05", {"step": "0.01", "distribution": "normal"}),
    momentum=("double", "0.001 1", {"distribution": "uniform"}),
    epochs=("int", "1 3", {"distribution": "logUniform"}),
    batch_size=("int", "32 64", {"distribution": "logNormal"}),
)
KATIB_OPTUNA_LAWS = katib_laws(
    "tpe",
    lr=("double", "1 5", {"step": "0.1", "distribution": "uniform"}),
    momentum=("double", "0.001 1", {"step": "0.1", "distribution": "uniform"}),
    epochs=("int", "1 3", {"distribution": "uniform"}),
    batch_size=("int", "32 64", {"distribution": "logUniform"}),
)
OPTUNA_CLI = '{"x": {"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0}}}'
"""The comment on `optuna ask --search-space`."""

IMPORTED: dict[str, Any] = {
    "vertex-conditional": VERTEX_CONDITIONAL,
    "vertex-sdk": VERTEX_SDK,
    "vertex-vizier": VERTEX_VIZIER,
    "vertex-safety": VERTEX_SAFETY,
    "vizier-flat": VIZIER_FLAT,
    "vizier-conditional": vizier_conditional(0.001),
    "katib-random": katib("random"),
    "katib-grid": KATIB_GRID,
    "katib-bayesian": katib("bayesianoptimization", {"random_state": "10"}),
    "katib-tpe": katib("tpe"),
    "katib-multivariate-tpe": katib("multivariate-tpe"),
    "katib-cmaes": katib("cmaes", {"restart_strategy": "ipop"}),
    "katib-sobol": katib("sobol"),
    "katib-hyperband": KATIB_HYPERBAND,
    "katib-median-stop": KATIB_MEDIAN_STOP_YAML,
    "katib-hyperopt-laws": KATIB_HYPEROPT_LAWS,
    "katib-optuna-laws": KATIB_OPTUNA_LAWS,
    "optuna-cli": OPTUNA_CLI,
}
"""Examples that import, by name."""
