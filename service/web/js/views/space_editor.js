/** The space editor: one row per hyperparameter, each left as the preset has it, fixed, or searched. */

import { el } from "../dom.js";
import { parameter, words } from "../format.js";
import { describeProperty, select } from "./fields.js";

const MODES = {
  number: [["preset", "as preset"], ["fixed", "fixed"], ["float", "float range"], ["choice", "choice"]],
  integer: [["preset", "as preset"], ["fixed", "fixed"], ["int", "int range"], ["choice", "choice"]],
  enum: [["preset", "as preset"], ["fixed", "fixed"], ["choice", "choice"]],
};

const LABELS = { low: "low", high: "high", log: "log", value: "value", values: "values, comma between", per_layer: "one per layer" };

/** Preset's entry (or default value) as a short text. */
export function describeEntry(entry, fallback) {
  if (entry === undefined || entry === null) return fallback === undefined ? "" : `fixed at ${parameter(fallback)}`;
  if (typeof entry !== "object") return `fixed at ${parameter(entry)}`;
  if (entry.type === "choice") return entry.values.map(parameter).join(", ");
  return `${parameter(entry.low)} to ${parameter(entry.high)}${entry.log ? ", log" : ""}`;
}

const SIGNS = { eq: "", ne: "not ", lt: "below ", le: "at most ", gt: "above ", ge: "at least ", in: "" };

/** The conditions under which a hyperparameter means something: `only with optimizer sgd`. */
export function describeNeeds(needs) {
  const parts = Object.entries(needs ?? {}).map(([name, condition]) => {
    const [sign, value] = Object.entries(condition)[0] ?? ["eq", condition];
    return `${words(name)} ${SIGNS[sign] ?? ""}${[value].flat().join(" or ")}`;
  });
  return parts.length ? `only with ${parts.join(", ")}` : "";
}

/** First guess of a range from the preset's entry, else around the default. */
function guess(facts, entry) {
  if (entry && typeof entry === "object" && "low" in entry) return entry;
  if (facts.type === "enum") return { values: facts.values.join(", "), value: facts.default };
  const value = facts.default ?? facts.minimum ?? 1;
  if (facts.type === "integer") return { low: Math.max(Math.round(value / 4), facts.minimum ?? 1), high: value * 4, value };
  return value > 0 && value < 0.5
    ? { low: value / 30, high: value * 30, log: true, value }
    : { low: facts.minimum ?? 0, high: facts.maximum ?? value, value };
}

function inputs(name, facts, entry) {
  const first = guess(facts, entry);
  const values = entry?.type === "choice" ? entry.values.join(", ") : first.values ?? (facts.default ?? "");
  const label = (key) => `${name}: ${LABELS[key]}`;
  const box = (key) => el("input", { type: "checkbox", checked: Boolean(first[key]), "aria-label": label(key) });
  const text = (key, value) => el("input", { type: "text", inputmode: key === "values" ? null : "decimal",
    value: value ?? "", "aria-label": label(key), placeholder: LABELS[key] });
  return {
    value: facts.type === "enum"
      ? select(facts.values.map((value) => [value, value]), facts.default, { "aria-label": label("value") })
      : text("value", first.value ?? facts.default),
    values: text("values", values), low: text("low", first.low), high: text("high", first.high),
    log: box("log"), per_layer: box("per_layer"),
  };
}

const SHOWN = { preset: [], fixed: ["value"], choice: ["values"], float: ["low", "high", "log"], int: ["low", "high", "log"] };

/** One row; `read()` gives `{name, mode, ...}` and `setPreset(entry)` tells what the preset would do. */
function spaceRow({ name, needs, per_layer: perLayer }, facts) {
  const mode = select(MODES[facts.type] ?? MODES.enum, "preset", { "aria-label": `${name}: how it varies` });
  const summary = el("span", { class: "muted small-text entry" });
  const slot = el("div", { class: "row-inputs" });
  const problem = el("p", { class: "field-problem", hidden: true });
  let [controls, entry] = [inputs(name, facts, null), null];
  const node = el("div", { class: "space-row", "data-path": `space.${name}` },
    el("span", { class: "row-name", title: facts.description ?? null }, words(name)), mode, slot, problem);
  const draw = () => {
    const keys = [...SHOWN[mode.value], ...(mode.value === "int" && perLayer ? ["per_layer"] : [])];
    const shown = keys.map((key) => (key === "log" || key === "per_layer"
      ? el("label", { class: "switch" }, controls[key], LABELS[key]) : controls[key]));
    slot.replaceChildren(...(mode.value === "preset" ? [summary] : shown));
    node.dataset.path = `${mode.value === "fixed" ? "fixed" : "space"}.${name}`;
  };
  mode.addEventListener("input", draw);
  node.setPreset = (value) => {
    entry = value;
    summary.textContent = [describeEntry(entry, facts.default), describeNeeds(needs)].filter(Boolean).join(" · ");
    if (mode.value === "preset") controls = inputs(name, facts, entry);
    draw();
  };
  node.read = () => ({
    name, mode: mode.value, value: controls.value.value, values: controls.values.value,
    low: controls.low.value, high: controls.high.value, log: controls.log.checked,
    per_layer: perLayer && controls.per_layer.checked,
  });
  node.setPreset(null);
  return node;
}

/** `hyperparameters`: the catalog's list. `preset` in `setPreset` is `{space, fixed}`. */
export function spaceEditor(hyperparameters) {
  const rows = hyperparameters.map((hyper) => [hyper.name, spaceRow(hyper, hyperFacts(hyper.schema))]);
  const node = el("div", { class: "space" }, rows.map(([, row]) => row));
  node.setPreset = (preset) => rows.forEach(([name, row]) =>
    row.setPreset(preset?.space?.[name] ?? preset?.fixed?.[name] ?? null));
  node.read = () => rows.map(([, row]) => row.read());
  return node;
}

/** A hyperparameter that takes a number or a list of them (units) is edited as the number. */
function hyperFacts(schema) {
  const facts = describeProperty(schema, schema);
  if (facts.type !== "json") return facts;
  const main = (schema.anyOf ?? []).find((part) => part.type === "integer" || part.type === "number");
  return { ...facts, ...main, type: main?.type ?? "enum", values: [] };
}
