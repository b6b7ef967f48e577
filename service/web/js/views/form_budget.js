/** The form's section on budget, objective and early stopping. */

import { el } from "../dom.js";
import { DEFAULT_PATIENCE } from "../job_body.js";
import { words } from "../format.js";
import { field, select } from "./fields.js";

const numeric = (value, more = {}) => el("input", { type: "number", value, inputmode: "decimal", ...more });
const read = (control) => (control.value === "" ? null : Number(control.value));

/** The section. `metrics`: the catalog's lists by task. */
export function budgetSection(metrics) {
  const trials = numeric("", { min: 1, step: 1, placeholder: "64" });
  const epochs = numeric(30, { min: 1, step: 1 });
  const seconds = numeric("", { min: 1, placeholder: "no limit" });
  const patience = numeric(DEFAULT_PATIENCE, { min: 1, step: 1, placeholder: "never" });
  const seed = numeric("", { min: 0, step: 1, placeholder: "0" });
  const objective = el("select", {}, el("option", { value: "" }, "by task"), Object.entries(metrics).map(([task, list]) =>
    el("optgroup", { label: task }, list.map((metric) => el("option", { value: metric.name },
      `${words(metric.name)} (${metric.maximize ? "higher" : "lower"} is better)`)))));
  const range = select([["", "none"], ["{}", "draw it"], ['{"adopt":true}', "search within it"]]);
  const node = el("div", { class: "field-grid" },
    field("Trials", trials, { path: "budget.trials", hint: "Empty: 64, or all points of a grid." }),
    field("Epochs per trial", epochs, { path: "budget.epochs_per_trial", hint: "At most; a scheduler stops the slow ones." }),
    field("Seconds", seconds, { path: "budget.seconds" }),
    field("Patience", patience, { path: "early_stopping.patience", hint: "Epochs without progress." }),
    field("Objective", objective, { path: "objective" }),
    field("Range test", range, { path: "range_test", hint: "Sweeps the learning rate first." }),
    field("Seed", seed, { path: "seed" }));
  node.read = () => ({
    budget: { trials: read(trials), epochs_per_trial: read(epochs), seconds: read(seconds) },
    patience: read(patience), seed: read(seed), objective: objective.value || null,
    range_test: range.value ? JSON.parse(range.value) : null,
  });
  return node;
}
