/** The panel of several objectives: who is on the front. It is there for jobs that have them. */

import { api } from "../api.js";
import { frontFigure } from "../charts/front.js";
import { mountChart } from "../charts/plot.js";
import { readTheme } from "../charts/theme.js";
import { el, setText } from "../dom.js";
import { words } from "../format.js";
import { panel } from "./parts.js";
import { allItems, refreshed } from "./refresh.js";

/** Milliseconds between two looks at a job that runs. */
const REST = 2000;

/** The panel, hidden where the job has one objective; `point(number | null)` hears which trial is pointed at. */
export function frontPanel(race, point) {
  const { objective, further_objectives: further = [], trainer } = race.job.resolved_spec ?? {};
  const objectives = [objective, ...further];
  const text = el("p", { class: "muted" }, "No trial has a result yet.");
  const label = "Trials by their first two objectives, the front marked";
  const holder = el("div", { class: "chart front-chart", role: "img", "aria-label": label, hidden: true });
  const node = panel("Front", { kind: "front-panel" }, text, holder);
  node.hidden = !further.length;
  let [trials, chart] = [[], null];
  const draw = (found) => {
    trials = found;
    const size = trials.filter((trial) => trial.front).length;
    if (!size) return;
    setText(text, `${size} of ${trials.length} trials: no other one is as good in ${objectives.map(({ name }) => words(name)).join(", ")} `
      + `and better in one of them.${trainer === "external" ? "" : " Their models are stored."}`);
    holder.hidden = false;
    chart ??= mountChart(holder, () => frontFigure(trials, objectives, readTheme()), (number) => point(number));
    chart.redraw();
  };
  const read = () => allItems((cursor) => api.trials(race.job.id, cursor));
  return refreshed(node, race, REST, {
    read, draw, fail: (problem) => setText(text, problem.message), end: () => chart?.close(),
  });
}
