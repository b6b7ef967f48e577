/** The panel of a population's lineage; it is there for jobs whose trials copy from each other. */

import { api } from "../api.js";
import { lineageFigure } from "../charts/lineage.js";
import { mountChart } from "../charts/plot.js";
import { readTheme } from "../charts/theme.js";
import { el, setText } from "../dom.js";
import { leaderOf } from "../state.js";
import { panel } from "./parts.js";
import { allItems, refreshed } from "./refresh.js";

const COPYING = new Set(["pbt", "pb2"]);
/** A running population is asked again so many milliseconds after it has answered. */
const REST = 4000;

export function lineagePanel(race, point) {
  const id = race.job.id;
  const text = el("p", { class: "muted" }, "No trial has copied another one yet.");
  const link = el("a", { hidden: true, download: "" }, "The leader's schedule as JSON");
  const holder = el("div", { class: "chart lineage-chart", role: "img", "aria-label": "Who copied whom, by round", hidden: true });
  const node = panel("Who copied whom", { kind: "lineage-panel", more: link }, text, holder);
  const { scheduler, algorithm } = race.job.resolved_spec ?? {};
  node.hidden = !COPYING.has(scheduler?.kind) && !algorithm?.inherit_weights;
  let [copies, passages, chart] = [[], [], null];
  const read = async () => {
    const leader = leaderOf(race);
    return {
      leader,
      copies: await allItems((cursor) => api.lineage(id, cursor)),
      passages: leader ? (await api.schedule(id, leader.number)).passages : [],
    };
  };
  const draw = (found) => {
    ({ copies, passages } = found);
    if (found.leader) {
      link.href = api.scheduleUrl(id, found.leader.number);
      link.download = `schedule_${id}_${found.leader.number}.json`;
      link.hidden = false;
    }
    holder.hidden = !copies.length;
    if (!copies.length) return;
    setText(text, `${copies.length} copies. The way of the leader's weights is drawn thick.`);
    chart ??= mountChart(holder, () => lineageFigure(copies, passages,
      race.job.progress?.trials ?? race.trials.size, readTheme()), (number) => point(number));
    chart.redraw();
  };
  return refreshed(node, race, REST, {
    read, draw, fail: (problem) => setText(text, problem.message), end: () => chart?.close(),
  });
}
