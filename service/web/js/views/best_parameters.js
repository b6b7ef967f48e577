/** The leading trial of a job whose trials are trained outside: there is no model to fetch, so its parameters and value. */

import { copyButton, el, setText } from "../dom.js";
import { number, parameter, words } from "../format.js";
import { leaderOf, objectiveOf } from "../state.js";
import { panel } from "./parts.js";

/** The card; the job's own parameters that do not vary stand below those of the trial. */
export function bestParameters(race) {
  const about = el("p", { class: "muted" }, "The best parameters appear here once a value was told.");
  const rows = el("tbody");
  const table = el("table", { class: "metrics", hidden: true }, el("thead", {}, el("tr", {},
    el("th", { scope: "col" }, "parameter"), el("th", { scope: "col" }, "value"))), rows);
  const fixed = race.job.resolved_spec?.fixed ?? {};
  let shown = null;
  const copy = copyButton(() => JSON.stringify({ ...fixed, ...race.trials.get(shown)?.parameters }, null, 2));
  copy.hidden = true;
  const node = panel("Best parameters", { kind: "best-panel" }, about, table, copy);
  node.update = () => {
    const leader = leaderOf(race);
    if (!leader) return;
    const name = words(race.job.resolved_spec?.objective?.name);
    setText(about, `Trial ${leader.number}, the leader: ${name} ${number(objectiveOf(race, leader))}`);
    if (leader.number === shown) return;
    shown = leader.number;
    rows.replaceChildren(...Object.entries({ ...leader.parameters, ...fixed }).map(([key, value]) =>
      el("tr", {}, el("th", { scope: "row" }, key), el("td", { class: "num" }, parameter(value)))));
    table.hidden = copy.hidden = false;
  };
  node.update();
  return node;
}
