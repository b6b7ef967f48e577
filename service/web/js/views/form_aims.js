/** What a job is after: its objectives, and the limits that results are to keep; one row for each measure that is added. */

import { el } from "../dom.js";
import { words } from "../format.js";
import { describeProperty, deref, hintOf } from "../schema.js";
import { controlFor } from "./controls.js";
import { field } from "./fields.js";
import { labelOf, listed, metricSelect } from "./form_metrics.js";

/** MOST_OBJECTIVES of search/aims.py without the first: the schema of a name or a list does not tell. */
const MOST_FURTHER = 3;

/** Metrics by task, each with the facts of the network behind them. */
const withFacts = ({ metrics, facts }) =>
  Object.fromEntries(Object.entries(metrics).map(([task, known]) => [task, [...known, ...facts]]));

/** One measure that was added: its name, `controls`, and a button that takes it away. */
function measureRow(measure, controls, onRemove) {
  const remove = el("button", { type: "button", class: "small", "aria-label": `Remove ${words(measure.name)}` }, "Remove");
  remove.addEventListener("click", onRemove);
  return el("div", { class: "measure-row" },
    el("span", { class: "row-name", title: measure.about }, words(measure.name)),
    el("div", { class: "row-inputs" }, controls, remove),
    el("p", { class: "field-problem", hidden: true }));
}

/**
 * Rows for the measures that are chosen one by one in the select `adding`, each once and `most` at most. `controlsOf(name)`
 * makes what stands in a row, `first` is the number of the first in the body's list `path`. `taken()` is not offered.
 */
function measureRows(measures, task, { path, invitation, most, first = 0, taken = () => [], controlsOf }) {
  const [adding, node] = [el("select"), el("div", { class: "measure-rows" })];
  const rows = new Map();
  const draw = () => {
    const used = [...rows.keys(), ...taken()];
    const options = listed(measures, task.get()).filter(({ name }) => !used.includes(name));
    adding.replaceChildren(el("option", { value: "" }, invitation), ...options.map((measure) =>
      el("option", { value: measure.name, title: measure.about }, labelOf(measure))));
    adding.disabled = rows.size >= most;
    node.replaceChildren(...[...rows.values()].map((row) => row.node));
    [...rows.values()].forEach((row, place) => (row.node.dataset.path = `${path}.${first + place}`));
  };
  const remove = (name) => {
    rows.delete(name);
    draw();
    adding.focus();
    adding.dispatchEvent(new Event("input", { bubbles: true })); // the form hears of it
  };
  const add = (name) => {
    const controls = controlsOf(name);
    const [measure] = listed(measures, null).filter((one) => one.name === name);
    rows.set(name, { controls, node: measureRow(measure, Object.values(controls), () => remove(name)) });
  };
  adding.addEventListener("input", () => {
    if (!adding.value) return;
    add(adding.value);
    draw();
  });
  task.follow(draw);
  return {
    adding, node, draw,
    read: () => [...rows].map(([name, { controls }]) => [name, controls]),
    knows: (name) => listed(measures, null).some((measure) => measure.name === name),
    write: (names) => {
      rows.clear();
      names.forEach(add);
      draw();
    },
    fill: (name, values) => Object.entries(rows.get(name).controls).forEach(([key, control]) => control.write(values[key])),
  };
}

/**
 * The first objective and further ones, of metrics and facts of the network. `read()` gives `{objective}`: a name, a list
 * where there are several, or nothing. Where the first is left to the service, a list names the default of the task.
 */
export function objectiveField(catalog, task) {
  const { job, metrics } = catalog;
  const first = metricSelect(metrics, task);
  const leading = () => first.read() ?? listed(metrics, task.get())[0].name;
  const further = measureRows(withFacts(catalog), task, {
    path: "objective", invitation: "add a further objective", most: MOST_FURTHER, first: 1, taken: () => [leading()], controlsOf: () => ({}),
  });
  further.adding.setAttribute("aria-label", "Further objective");
  first.addEventListener("input", further.draw);
  const node = field("Objective", first, { path: "objective", hint: hintOf(describeProperty(job.properties.objective, job), first.nothing) });
  first.after(further.node, further.adding);
  node.read = () => {
    const names = further.read().map(([name]) => name);
    if (!names.length) return first.read() ? { objective: first.read() } : {};
    return { objective: [leading(), ...names] };
  };
  node.write = ({ objective }) => {
    if (objective === undefined) return;
    const [name, ...names] = [objective ?? []].flat();
    if (!names.every(further.knows)) return; // it stands as JSON under the rest
    first.write(name);
    further.write(names);
  };
  return node;
}

/** Limits: a row for each measure, with a field for each bound that the schema has. `read()` gives `{limits}`, or nothing. */
export function limitsField(catalog, task) {
  const { job } = catalog;
  const facts = describeProperty(job.properties.limits, job);
  const { metric, ...bounds } = deref(facts.items, job).properties;
  const boundControl = (name, key) => {
    const control = controlFor(describeProperty(bounds[key], job), job);
    control.placeholder = words(key);
    control.setAttribute("aria-label", `${words(name)}: ${words(key)}`);
    return control;
  };
  const rows = measureRows(withFacts(catalog), task, {
    path: "limits", invitation: "add a limit", most: facts.maxItems,
    controlsOf: (name) => Object.fromEntries(Object.keys(bounds).map((key) => [key, boundControl(name, key)])),
  });
  const node = field("Limits", rows.adding, { path: "limits", hint: hintOf(facts) });
  rows.adding.before(rows.node);
  node.read = () => {
    const limits = rows.read().map(([name, controls]) => ({ metric: name,
      ...Object.fromEntries(Object.entries(controls).map(([key, control]) => [key, control.read()]).filter(([, value]) => value !== null)) }));
    return limits.length ? { limits } : {};
  };
  node.write = ({ limits }) => {
    if (!limits?.every((limit) => rows.knows(limit.metric))) return;
    rows.write(limits.map((limit) => limit.metric));
    for (const limit of limits) rows.fill(limit.metric, limit);
  };
  return node;
}
