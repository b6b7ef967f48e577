/**
 * Controls for single values of a JSON schema. Each is an element with `read()` (undefined where the service's default is
 * left alone) and `write(value)`; `trouble()`, where there is one, says why what is typed cannot be sent.
 */

import { el } from "../dom.js";
import { typed, typedList } from "../job_body.js";
import { deref, exampleOf } from "../schema.js";

const AUTOMATIC = "automatic";
const shownValue = (value) => (value === true ? "yes" : value === false ? "no" : String(value));
const isNothing = (value) => value === undefined || value === null;
const shown = (value, write) => (isNothing(value) ? "" : write(value));

/** A select from `[value, label]` pairs. */
export function select(options, value, more = {}) {
  const node = el("select", more, options.map(([key, label]) => el("option", { value: key }, label)));
  if (!isNothing(value)) node.value = value;
  return node;
}

/** Options of a select of several: `[value, label]` pairs; a chosen value that is not among them is listed too. */
export function fillSeveral(control, options, chosen = []) {
  const strange = chosen.filter((value) => !options.some(([known]) => known === value)).map((value) => [value, value]);
  control.replaceChildren(...[...options, ...strange].map(([value, label]) =>
    el("option", { value, selected: chosen.includes(value) }, label)));
}

export const chosenOf = (control) => [...control.selectedOptions].map((option) => option.value);

/** A select of several of `options()`, `[value, label]` pairs; where none is chosen, it reads `nothing`. */
export function severalSelect(options, nothing = []) {
  const node = el("select", { multiple: true, size: 4 });
  node.read = () => (node.selectedOptions.length ? chosenOf(node) : nothing);
  node.write = (values) => fillSeveral(node, options(), values ?? []);
  node.nothing = "none chosen";
  node.write([]);
  return node;
}

function checkBox(facts) {
  const box = el("input", { type: "checkbox", checked: facts.default === true });
  box.read = () => box.checked;
  box.write = (value) => (box.checked = value === true);
  return box;
}

function enumSelect(facts, labels) {
  const options = facts.values.map((value) => [JSON.stringify(value), labels[String(value)] ?? shownValue(value)]);
  const choice = select(facts.nullable ? [["null", AUTOMATIC], ...options] : options, JSON.stringify(facts.default ?? null));
  choice.read = () => JSON.parse(choice.value);
  choice.write = (value) => (choice.value = JSON.stringify(value ?? null));
  choice.nothing = AUTOMATIC;
  return choice;
}

/** An input of one line; `ways` are `{read, write}` between its text and the value. */
function lineInput(facts, { read, write }, more = {}) {
  const input = el("input", { type: "text", value: shown(facts.default, write), autocomplete: "off", ...more });
  input.placeholder = facts.nullable ? "not set" : input.value;
  input.read = () => (input.value.trim() === "" ? (facts.nullable ? null : undefined) : read(input.value));
  input.write = (value) => (input.value = shown(value, write));
  return input;
}

const numberInput = (facts) => lineInput(facts, { read: Number, write: String },
  { type: "number", step: facts.type === "integer" ? 1 : "any", min: facts.minimum, max: facts.maximum, inputmode: "decimal" });

const PLAIN = { read: (text) => text, write: String };
const ANY = { read: typed, write: (value) => (typeof value === "string" ? value : JSON.stringify(value)) };
const SCALARS = { read: typedList, write: listText };

/** A list as one types it: with commas between its values, or as JSON where that would read as something else. */
export function listText(values) {
  const text = values.map(String).join(", ");
  return JSON.stringify(typedList(text)) === JSON.stringify(values) ? text : JSON.stringify(values);
}

function textBox(facts, { read, write, trouble }, more) {
  const empty = facts.nullable ? null : facts.default;
  const box = el("textarea", { rows: 2, spellcheck: "false", autocomplete: "off", ...more });
  box.read = () => (box.value.trim() === "" ? empty : read(box.value));
  box.write = (value) => (box.value = Object.keys(value ?? {}).length ? write(value) : "");
  box.trouble = () => (box.value.trim() === "" ? null : trouble(box.value));
  return box;
}

function problemOfJson(text) {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return `This is no JSON: ${error.message}.`;
  }
}

function fromJson(text) {
  return problemOfJson(text) ? text : JSON.parse(text);
}

/** JSON with each item, or each name, on a line of its own. */
function jsonText(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const items = Object.entries(value).map(([name, item]) =>
    `${Array.isArray(value) ? "" : `${JSON.stringify(name)}: `}${JSON.stringify(item)}`);
  return items.length < 2 ? JSON.stringify(value) : `${open}\n  ${items.join(",\n  ")}\n${close}`;
}

/** A box for JSON of any size, with an example of the schema in it. */
export function jsonBox(facts, root) {
  const ways = { read: fromJson, write: jsonText, trouble: problemOfJson };
  return textBox(facts, ways, { class: "mono", placeholder: shown(exampleOf(facts, root), jsonText) });
}

/** A list of texts, one on each line; one that is no text stands there as JSON. */
export function linesBox(facts, root) {
  const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
  const isJson = (line) => line.startsWith("{");
  const write = (values) => values.map((value) => (typeof value === "string" ? value : JSON.stringify(value))).join("\n");
  return textBox(facts, {
    read: (text) => lines(text).map((line) => (isJson(line) ? fromJson(line) : line)), write,
    trouble: (text) => lines(text).filter(isJson).map(problemOfJson).find(Boolean) ?? null,
  }, { class: "mono", rows: 3, placeholder: shown(exampleOf(facts, root), write) });
}

/** The control of a property, by the facts of `describeProperty`; `labels` name the values of a choice. */
export function controlFor(facts, root, labels = {}) {
  if (facts.type === "enum") return enumSelect(facts, labels);
  if (facts.type === "boolean") return checkBox(facts);
  if (facts.type === "integer" || facts.type === "number") return numberInput(facts);
  if (facts.type === "string") return lineInput(facts, PLAIN);
  if (facts.type === "object") return jsonBox(facts, root);
  if (facts.type === "array") return deref(facts.items, root).type === "object" ? jsonBox(facts, root) : lineInput(facts, SCALARS);
  return lineInput(facts, ANY);
}
