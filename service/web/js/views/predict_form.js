/** A small form that predicts with a model: one input per feature of its card, filled with the card's example. */

import { api } from "../api.js";
import { el } from "../dom.js";
import { number } from "../format.js";
import { typed } from "../job_body.js";
import { problemBox } from "./parts.js";

/** Features of a model's card as `{name, kind, values}`; an example row names them where the card does not. */
export function featuresOf(card) {
  const listed = card?.preprocessing?.features ?? [];
  if (listed.length) {
    return listed.map((feature) => ({ name: feature.name, kind: feature.kind, values: feature.categories ?? null }));
  }
  return Object.keys(card?.example?.row ?? {}).map((name) => ({ name, kind: "numeric", values: null }));
}

function control(feature, value) {
  if (feature.values?.length && feature.values.length <= 60) {
    const options = ["", ...feature.values.map(String)];
    const node = el("select", {}, options.map((option) => el("option", { value: option }, option || "missing")));
    node.value = value === null || value === undefined ? "" : String(value);
    return node;
  }
  const shown = typeof value === "number" ? Number(value.toPrecision(6)) : value ?? "";
  return el("input", { type: "text", inputmode: feature.kind === "numeric" ? "decimal" : null, value: shown, placeholder: "missing" });
}

/** A label, with how probable it is where the model says so. */
function describeLabel(label, shares) {
  return shares ? `${label} (${(100 * Math.max(...shares)).toFixed(1)} %)` : String(label);
}

/** What a prediction says: a number, a number per target, or a label, or one per target, with its probability. */
export function describePrediction(answer) {
  const first = answer.predictions?.[0];
  if (first === undefined || first === null) return "–";
  if (typeof first === "number") return number(first);
  if (Array.isArray(first)) return first.map((value) => number(value)).join(", ");
  if (Array.isArray(answer.classes)) return describeLabel(first.label, first.probabilities);
  if (answer.classes) {
    return Object.entries(first.labels).map(([name, label]) => `${name}: ${describeLabel(label, first.probabilities?.[name])}`).join(", ");
  }
  return Object.entries(first).map(([name, value]) => `${name}: ${number(value)}`).join(", ");
}

/** The form; `model` carries its card. */
export function predictForm(model) {
  const features = featuresOf(model.card);
  if (!features.length) return null;
  const example = model.card?.example?.row ?? {};
  const controls = features.map((feature) => control(feature, example[feature.name]));
  const answer = el("div", { class: "prediction", role: "status" });
  const form = el("form", { class: "predict" }, el("h3", {}, "Predict one row"),
    el("div", { class: "predict-fields" }, features.map((feature, index) => el("label", {}, feature.name, controls[index]))),
    el("div", { class: "predict-answer" }, el("button", { type: "submit" }, "Predict"), answer));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const value = (feature, index) => {
      const text = controls[index].value;
      return feature.kind === "numeric" || feature.kind === "boolean" ? typed(text) : text === "" ? null : text;
    };
    const row = Object.fromEntries(features.map((feature, index) => [feature.name, value(feature, index)]));
    try {
      answer.replaceChildren(describePrediction(await api.predict(model.id, [row])));
    } catch (problem) {
      answer.replaceChildren(problemBox(problem));
    }
  });
  return form;
}
