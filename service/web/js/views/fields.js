/** Form fields with a label, a hint and a place for a problem; and fields drawn from a JSON schema. */

import { el } from "../dom.js";
import { sentence } from "../format.js";
import { describeProperty, hintOf, same, shownOf } from "../schema.js";
import { controlFor, select } from "./controls.js";

let counter = 0;

/** The hint and the problem of a field, which `control` is described by. */
function remarks(control, hint) {
  const id = `field-${++counter}`;
  control.id = id;
  const problem = el("p", { class: "field-problem", id: `${id}-problem`, hidden: true });
  const note = hint ? el("p", { class: "hint", id: `${id}-hint` }, hint) : null;
  control.setAttribute("aria-describedby", `${id}-problem${hint ? ` ${id}-hint` : ""}`);
  return { id, note, problem };
}

/**
 * A labelled field around `control`, found again by `path` when a problem names it.
 * The problem's text stands in an element that the control is described by.
 */
export function field(label, control, { path, hint = null, kind = "" } = {}) {
  const { id, note, problem } = remarks(control, hint);
  return el("div", { class: `field ${kind}`, "data-path": path }, el("label", { for: id }, label), control, note, problem);
}

/** A titled group of controls, with hint and problem as a field has them; `title` may be a text or a label. */
export function group(title, { path, hint = null, kind = "" } = {}, ...content) {
  const node = el("fieldset", { class: `group ${kind}`, "data-path": path }, el("legend", {}, title));
  const { note, problem } = remarks(node, hint);
  if (note) node.append(note);
  node.append(...content, problem);
  return node;
}

/** Show `message` at a field or row, or take it away with null. */
export function setProblem(holder, message) {
  const problem = holder.querySelector(":scope > .field-problem");
  problem.hidden = !message;
  problem.textContent = message ?? "";
  for (const control of holder.querySelectorAll("input, select, textarea")) {
    if (control.closest("[data-path]") !== holder) continue; // it has a problem of its own, or none
    if (message) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }
}

/**
 * Fields for the properties of an object, from its JSON schema, or for those in `only`. `widgets` makes the controls of
 * properties that need more than a schema tells. `read()` gives only what differs from the defaults; `write(values)` takes what an object says.
 */
export function schemaFields(schema, path, { root = schema, only = shownOf(schema), widgets = {} } = {}) {
  const controls = {};
  const known = only.map((name) => {
    const facts = describeProperty(schema.properties[name], root);
    controls[name] = widgets[name]?.(facts, controls) ?? controlFor(facts, root);
    return [name, facts];
  });
  const node = el("div", { class: "field-grid" }, known.map(([name, facts]) =>
    field(sentence(name), controls[name], { path: path ? `${path}.${name}` : name,
      hint: hintOf(facts, controls[name].nothing ?? "empty"), kind: facts.type === "boolean" ? "check" : "" })));
  node.read = () => Object.fromEntries(known.map(([name, facts]) => [name, controls[name].read(), facts])
    .filter(([, value, facts]) => value !== undefined && !same(value, facts.default)));
  node.write = (values) => only.filter((name) => name in values).forEach((name) => controls[name].write(values[name]));
  return node;
}

/**
 * An object of several fields below `name`: `read()` gives `{[name]: …}`, or nothing where all are at their defaults;
 * `write(body)` takes that again.
 */
export function objectFields(name, root, { only, widgets } = {}) {
  const fields = schemaFields(describeProperty(root.properties[name], root), name, { root, only, widgets });
  const { read, write } = fields;
  fields.read = () => (Object.keys(read()).length ? { [name]: read() } : {});
  fields.write = (body) => write(body[name] ?? {});
  return fields;
}

/** Like `objectFields`, for an object that may be null: a switch, and the fields where it is on. */
export function optionalFields(name, root, widgets) {
  const facts = describeProperty(root.properties[name], root);
  const byDefault = facts.default !== null;
  const toggle = el("input", { type: "checkbox", checked: byDefault });
  const fields = schemaFields(facts, name, { root, widgets });
  const node = group(el("label", { class: "toggle" }, toggle, sentence(name)), { path: name, hint: hintOf(facts, "off") }, fields);
  const draw = () => (fields.hidden = !toggle.checked);
  toggle.addEventListener("input", draw);
  draw();
  node.read = () => {
    const values = toggle.checked ? fields.read() : null;
    const left = toggle.checked === byDefault && !Object.keys(values ?? {}).length;
    return left ? {} : { [name]: values };
  };
  node.write = (body) => {
    if (!(name in body)) return;
    toggle.checked = body[name] !== null;
    fields.write(body[name] ?? {});
    draw();
  };
  return node;
}

/**
 * A select of kinds with the settings of the chosen one: plug-ins of the catalog or `variantsOf` a property. `none` is
 * the label of null and `about` what to say of it, where that is allowed. `read()` gives `{kind, ...}` or null.
 */
export function variantPicker(label, path, variants, { first, none = null, about = "", root, widgets } = {}) {
  const kinds = variants.map((variant) => variant.kind);
  const options = variants.map((variant) => [variant.kind, variant.label ?? variant.kind]);
  const choice = select(none ? [["", none], ...options] : options, kinds.includes(first) || none ? first : kinds[0]);
  const holder = field(label, choice, { path, hint: "…" });
  const hint = holder.querySelector(".hint");
  const slot = el("div", { role: "group", "aria-label": `${label} settings` });
  const forms = new Map();
  const draw = () => {
    const variant = variants.find((item) => item.kind === choice.value);
    slot.hidden = !variant;
    hint.textContent = variant ? hintOf(variant.schema) : about;
    if (variant && !forms.has(variant.kind)) forms.set(variant.kind, schemaFields(variant.schema, path, { root, widgets }));
    slot.replaceChildren(...(variant ? [forms.get(variant.kind)] : []));
  };
  choice.addEventListener("input", draw); // before the form hears of it
  draw();
  const node = el("div", { class: "stack picker" }, holder, slot);
  node.read = () => (choice.value ? { kind: choice.value, ...forms.get(choice.value).read() } : null);
  node.write = (part) => {
    const { kind, ...values } = part ?? {};
    choice.value = kind ?? "";
    draw();
    forms.get(kind)?.write(values);
  };
  return node;
}
