/** Choosing metrics: one in a select, several in a list of boxes. Both follow the job's task as far as it is known. */

import { el } from "../dom.js";
import { words } from "../format.js";
import { group } from "./fields.js";

/** The metrics of a task, or of all tasks, each once; those in `chosen` are kept, so that one sees what does not fit. */
export function listed(metrics, task, chosen = []) {
  const all = new Map(Object.values(metrics).flat().map((metric) => [metric.name, metric]));
  const fitting = task ? metrics[task] : [...all.values()];
  return [...fitting, ...chosen.filter((name) => !fitting.some((metric) => metric.name === name)).map((name) => all.get(name))];
}

/** A metric as a select offers it. */
export const labelOf = ({ name, maximize }) => `${words(name)} (${maximize ? "higher" : "lower"} is better)`;

const isKnown = (metrics, name) => Object.values(metrics).flat().some((metric) => metric.name === name);

/** A select of one metric, or of none: what the service chooses. */
export function metricSelect(metrics, task) {
  const nothing = "automatic";
  const node = el("select");
  node.read = () => node.value || null;
  node.nothing = nothing;
  const draw = (now, chosen) => {
    const options = listed(metrics, now, [chosen].filter(Boolean)).map((metric) =>
      el("option", { value: metric.name, title: metric.about }, labelOf(metric)));
    node.replaceChildren(el("option", { value: "" }, nothing), ...options);
    node.value = chosen;
  };
  task.follow((now) => draw(now, node.value));
  node.write = (name) => draw(task.get(), isKnown(metrics, name) ? name : "");
  return node;
}

/** Boxes for the metrics that a job of the task does not compute anyway. `read()` gives `{metrics}`, or nothing. */
export function metricBoxes(metrics, task) {
  const chosen = new Set();
  const boxes = el("div", { class: "checks" });
  const anyway = el("p", { class: "hint" });
  const box = (metric) => {
    const input = el("input", { type: "checkbox", checked: chosen.has(metric.name) });
    input.addEventListener("input", () => chosen[input.checked ? "add" : "delete"](metric.name));
    return el("label", { class: "switch", title: metric.about }, input, words(metric.name));
  };
  const node = group("Further metrics", { path: "metrics", kind: "untitled" }, anyway, boxes);
  const draw = (now) => {
    const all = listed(metrics, now, [...chosen]);
    const byDefault = now ? all.filter((metric) => metric.by_default) : [];
    anyway.textContent = byDefault.length ? `Computed anyway: ${byDefault.map((metric) => words(metric.name)).join(", ")}.` : "";
    boxes.replaceChildren(...all.filter((metric) => !byDefault.includes(metric) || chosen.has(metric.name)).map(box));
  };
  task.follow(draw);
  node.read = () => (chosen.size ? { metrics: [...chosen] } : {});
  node.write = ({ metrics: names }) => {
    for (const name of names ?? []) if (isKnown(metrics, name)) chosen.add(name);
    draw(task.get());
  };
  return node;
}
