/** The panel of a job's learning rate range test; it is there for jobs that have one, and fills when the test has ended. */

import { api } from "../api.js";
import { mountChart } from "../charts/plot.js";
import { rangeFigure } from "../charts/range_test.js";
import { readTheme } from "../charts/theme.js";
import { el, setText } from "../dom.js";
import { number } from "../format.js";
import { panel } from "./parts.js";

/** What came of the test, in a sentence. */
function verdict(test) {
  if (!test.interval) return `Nothing is suggested: ${test.reason}.`;
  const [low, high] = test.interval.map((rate) => number(rate, 3));
  const use = test.adopted ? "The search goes by" : "Worth searching:";
  return `Suggested learning rate: ${number(test.suggested, 3)}. ${use} ${low} to ${high}.`;
}

/** The panel, hidden where the job has no range test. A note tells when there is something to load. */
export function rangePanel(race) {
  const text = el("p", { class: "muted" }, "The range test comes before the first trial.");
  const holder = el("div", { class: "chart range-chart", role: "img", "aria-label": "Loss over learning rate", hidden: true });
  const node = panel("Learning rate range test", { kind: "range-panel" }, text, holder);
  node.hidden = !race.job.resolved_spec?.range_test;
  let [test, asked, chart] = [null, false, null];
  const load = async () => {
    try {
      test = await api.rangeTest(race.job.id);
    } catch (problem) {
      asked = false; // the next note asks again
      setText(text, problem.message);
      return;
    }
    setText(text, verdict(test));
    if (!test.losses.length) return;
    holder.hidden = false;
    chart ??= mountChart(holder, () => rangeFigure(test, readTheme()));
    chart.redraw();
  };
  node.update = () => {
    if (node.hidden || asked || !race.notes.some((note) => note.code === "range-test")) return;
    asked = true;
    load();
  };
  node.close = () => chart?.close();
  node.update();
  return node;
}
