/** Form fields with a label, a hint and a place for a problem; and fields drawn from a JSON schema. */

import { el } from "../dom.js";
import { words } from "../format.js";

let counter = 0;

/**
 * A labelled field around `control`, found again by `path` when a problem names it.
 * The problem's text stands in an element that the control is described by.
 */
export function field(label, control, { path, hint = null, kind = "" } = {}) {
  const id = `field-${++counter}`;
  control.id = id;
  const problem = el("p", { class: "field-problem", id: `${id}-problem`, hidden: true });
  const note = hint ? el("p", { class: "hint", id: `${id}-hint` }, hint) : null;
  control.setAttribute("aria-describedby", `${id}-problem${hint ? ` ${id}-hint` : ""}`);
  return el("div", { class: `field ${kind}`, "data-path": path }, el("label", { for: id }, label), control, note, problem);
}

/** Show `message` at a field or row, or take it away with null. */
export function setProblem(holder, message) {
  const problem = holder.querySelector(":scope > .field-problem");
  const controls = holder.querySelectorAll("input, select, textarea");
  problem.hidden = !message;
  problem.textContent = message ?? "";
  for (const control of controls) {
    if (message) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }
}

/** A select from `[value, label]` pairs. */
export function select(options, value, more = {}) {
  const node = el("select", more, options.map(([key, label]) => el("option", { value: key }, label)));
  if (value !== undefined && value !== null) node.value = value;
  return node;
}

function deref(schema, root) {
  if (!schema?.$ref) return schema ?? {};
  const found = schema.$ref.split("/").slice(1).reduce((node, key) => node?.[key], root);
  return { ...found, ...Object.fromEntries(Object.entries(schema).filter(([key]) => key !== "$ref")) };
}

/** What kind of control a property needs: its type, whether it may be null, its values. */
export function describeProperty(property, root) {
  const schema = deref(property, root);
  const parts = (schema.anyOf ?? schema.oneOf ?? [schema]).map((part) => deref(part, root));
  const nullable = parts.some((part) => part.type === "null");
  const rest = parts.filter((part) => part.type !== "null");
  const main = rest.length === 1 ? rest[0] : { type: "json" };
  const values = main.enum ?? (main.const !== undefined ? [main.const] : null);
  return { ...main, ...schema, type: values ? "enum" : main.type ?? "json", values, nullable,
           minimum: main.minimum ?? main.exclusiveMinimum, maximum: main.maximum ?? main.exclusiveMaximum };
}

function controlFor(facts) {
  if (facts.type === "boolean") return el("input", { type: "checkbox", checked: facts.default === true });
  if (facts.type === "enum") {
    const options = facts.values.map((value) => [JSON.stringify(value), String(value)]);
    return select(facts.nullable ? [["null", "automatic"], ...options] : options, JSON.stringify(facts.default ?? null));
  }
  const shown = facts.default === undefined || facts.default === null ? "" : facts.default;
  if (facts.type === "integer" || facts.type === "number") {
    return el("input", { type: "number", step: facts.type === "integer" ? 1 : "any", value: shown,
      min: facts.minimum, max: facts.maximum, placeholder: facts.nullable ? "automatic" : null, inputmode: "decimal" });
  }
  const text = facts.type === "string" ? shown : facts.default === undefined ? "" : JSON.stringify(facts.default);
  return el("input", { type: "text", value: text, placeholder: facts.nullable ? "automatic" : null });
}

function readControl(control, facts) {
  if (facts.type === "boolean") return control.checked;
  if (facts.type === "enum") return JSON.parse(control.value);
  if (control.value === "") return null;
  if (facts.type === "integer" || facts.type === "number") return Number(control.value);
  if (facts.type === "string") return control.value;
  try {
    return JSON.parse(control.value);
  } catch {
    return control.value; // the service says what is wrong with it
  }
}

/**
 * Fields for the settings of one plug-in, from its JSON schema. `read()` gives only what differs from the defaults.
 */
export function schemaFields(schema, path) {
  const known = Object.entries(schema.properties ?? {}).filter(([name]) => name !== "kind")
    .map(([name, property]) => [name, describeProperty(property, schema)]);
  const controls = known.map(([, facts]) => controlFor(facts));
  const node = el("div", { class: "field-grid" }, known.map(([name, facts], index) =>
    field(words(name), controls[index], { path: `${path}.${name}`, hint: facts.description,
                                          kind: facts.type === "boolean" ? "check" : "" })));
  node.read = () => Object.fromEntries(known.map(([name, facts], index) => [name, readControl(controls[index], facts), facts])
    .filter(([, value, facts]) => JSON.stringify(value) !== JSON.stringify(facts.default ?? null))
    .map(([name, value]) => [name, value]));
  return node;
}
