/** The space editor: one row per hyperparameter, each left as the preset has it, fixed, or searched. */

import { el } from "../dom.js";
import { parameter, words } from "../format.js";
import { typed } from "../job_body.js";
import { describeProperty } from "../schema.js";
import { select } from "./controls.js";
import { parameterEditor } from "./space_parameter.js";

const MODES = {
  number: [["preset", "as preset"], ["fixed", "fixed"], ["float", "float range"], ["choice", "choice"]],
  integer: [["preset", "as preset"], ["fixed", "fixed"], ["int", "int range"], ["choice", "choice"]],
  enum: [["preset", "as preset"], ["fixed", "fixed"], ["choice", "choice"]],
};
const UNSEARCHED = ["preset", "fixed"];

/** A law of the preset in a few words. */
function describeLaw({ low, high, log, mean, sigma }) {
  const range = low === null || low === undefined ? "" : `${parameter(low)} to ${parameter(high)}`;
  const law = mean === null || mean === undefined ? "" : `normal ${parameter(mean)} ± ${parameter(sigma)}`;
  return [range, law, log === "reverse" ? "reverse log" : log ? "log" : ""].filter(Boolean).join(", ");
}

/** Preset's entry (or default value) as a short text. */
export function describeEntry(entry, fallback) {
  if (entry === undefined || entry === null) return fallback === undefined ? "" : `fixed at ${parameter(fallback)}`;
  if (typeof entry !== "object") return `fixed at ${parameter(entry)}`;
  return entry.type === "choice" ? entry.values.map(parameter).join(", ") : describeLaw(entry);
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

/** First guess of a parameter: the preset's, else around the default. */
function guess(facts, entry, type) {
  if (entry?.type === type) return { ...entry, default: null }; // it may not lie within what the user makes of it
  if (type === "choice") return { values: facts.values?.length ? facts.values : [facts.default].filter((value) => value !== null) };
  const value = facts.default ?? facts.minimum ?? 1;
  if (type === "int") return { low: Math.max(Math.round(value / 4), facts.minimum ?? 1), high: value * 4 };
  return value > 0 && value < 0.5
    ? { low: Number((value / 30).toPrecision(3)), high: Number((value * 30).toPrecision(3)), log: true }
    : { low: facts.minimum ?? 0, high: facts.maximum ?? value };
}

/** The control of a fixed value. */
function valueControl(name, facts) {
  const label = { "aria-label": `${name}: value` };
  return facts.type === "enum"
    ? select(facts.values.map((value) => [value, value]), facts.default, label)
    : el("input", { type: "text", inputmode: "decimal", value: facts.default ?? "", placeholder: "value", autocomplete: "off", ...label });
}

/**
 * One row; `read()` gives `{name}` with `fixed` or `parameter` where it is not left as the preset, `setPreset(entry)`
 * tells what the preset would do, `write(mode, entry)` fills it. `isSearched`: it varies, whatever else is done.
 */
function spaceRow({ name, needs, per_layer: isPerLayer }, facts, space, isSearched) {
  const modes = (MODES[facts.type] ?? MODES.enum).filter(([known]) => !isSearched || !UNSEARCHED.includes(known));
  const mode = select(modes, modes[0][0], { "aria-label": `${name}: how it varies`, disabled: modes.length === 1 });
  const summary = el("span", { class: "muted small-text entry" });
  const problem = el("p", { class: "field-problem", hidden: true });
  const value = valueControl(name, facts);
  let [editors, entry] = [{}, null];
  const [slot, below] = [el("div", { class: "row-slot" }), el("div", { class: "row-more" })];
  const node = el("div", { class: "space-row", "data-path": `space.${name}` },
    el("span", { class: "row-name", title: facts.description ?? null }, words(name)), mode, slot, below, problem);
  const editor = () => {
    const type = mode.value;
    if (!editors[type]) {
      editors[type] = parameterEditor(name, type, space, isPerLayer);
      editors[type].write(guess(facts, entry, type));
    }
    return editors[type];
  };
  const draw = () => {
    const plain = { preset: summary, fixed: value }[mode.value];
    slot.replaceChildren(plain ?? editor().line);
    below.replaceChildren(...(plain ? [] : [editor().more]));
    node.dataset.path = `${mode.value === "fixed" ? "fixed" : "space"}.${name}`;
  };
  mode.addEventListener("input", draw);
  node.setPreset = (told) => {
    entry = told;
    summary.textContent = [describeEntry(entry, facts.default), describeNeeds(needs)].filter(Boolean).join(" · ");
    if (mode.value === "preset") editors = {};
    draw();
  };
  node.read = () => {
    if (mode.value === "preset") return { name };
    return mode.value === "fixed" ? { name, fixed: typed(value.value) } : { name, parameter: editor().read() };
  };
  node.write = (wanted, told) => {
    if (!modes.some(([known]) => known === wanted)) {
      if (wanted !== "int") return;
      modes.push(["int", "int range"]); // whole numbers of what may have others between: rare, and legal
      mode.append(el("option", { value: "int" }, "int range"));
    }
    mode.value = wanted;
    if (wanted === "fixed") value.value = typeof told === "object" ? JSON.stringify(told) : String(told);
    else editor().write(told);
    draw();
  };
  node.setPreset(null);
  return node;
}

/**
 * `hyperparameters`: the catalog's list, `space` its schema. `preset` in `setPreset` is `{space, fixed}`, as in `write`.
 * With `isSearched` all of them vary, and how is all that can be changed.
 */
export function spaceEditor(hyperparameters, space, { isSearched = false } = {}) {
  const rows = hyperparameters.map((hyper) => [hyper.name, spaceRow(hyper, hyperFacts(hyper.schema), space, isSearched)]);
  const node = el("div", { class: "space" }, rows.map(([, row]) => row));
  node.setPreset = (preset) => rows.forEach(([name, row]) =>
    row.setPreset(preset?.space?.[name] ?? preset?.fixed?.[name] ?? null));
  node.read = () => rows.map(([, row]) => row.read());
  node.write = ({ space: searched = {}, fixed = {} }) => rows.forEach(([name, row]) => {
    if (searched?.[name]) row.write(searched[name].type, searched[name]);
    else if (name in (fixed ?? {})) row.write("fixed", fixed[name]);
  });
  return node;
}

/** A hyperparameter that takes a number or a list of them (units) is edited as the number. */
function hyperFacts(schema) {
  const facts = describeProperty(schema, schema);
  if (facts.type !== "json") return facts;
  const main = (schema.anyOf ?? []).find((part) => part.type === "integer" || part.type === "number");
  return { ...facts, ...main, type: main?.type ?? "enum", values: [] };
}
