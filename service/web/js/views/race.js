/** The three charts of a job and the card that follows the pointer. Figures come from charts/, values from the state. */

import { curvesFigure, highlight, HIGHLIGHT } from "../charts/curves.js";
import { historyFigure } from "../charts/history.js";
import { parallelFigure } from "../charts/parallel.js";
import { mountChart } from "../charts/plot.js";
import { prefersLog, readTheme } from "../charts/theme.js";
import { el, onFrame } from "../dom.js";
import { parameter, trialReason, withSpread, words } from "../format.js";
import { leaderOf, maximizes, objectiveOf, parameterNames, spreadOf } from "../state.js";
import { facts, panel, stateChip } from "./parts.js";

const metricOf = (race) => words(race.job.resolved_spec?.objective?.name ?? "objective");
const budgetOf = (race) => race.job.resolved_spec?.budget ?? {};

/** The card beside the pointer: a trial, its state and its parameters, as text. */
function pointerCard(race) {
  const node = el("div", { class: "pointer-card", hidden: true });
  document.body.append(node);
  const show = (id, mouse) => {
    const trial = race.trials.get(id);
    node.hidden = id === null || !trial || !mouse;
    if (node.hidden) return;
    const rows = Object.entries(trial.parameters ?? {}).map(([name, value]) => [name, parameter(value)]);
    node.replaceChildren(
      el("p", { class: "card-title" }, el("strong", {}, `Trial ${id}`), stateChip(trial.state)),
      facts([[metricOf(race), withSpread(objectiveOf(race, trial), spreadOf(race, trial))], ...rows.slice(0, 14)]),
      el("p", { class: "muted small-text" }, trialReason(trial.reason)));
    const left = mouse.clientX + 18 + node.offsetWidth > innerWidth ? mouse.clientX - 18 - node.offsetWidth : mouse.clientX + 18;
    const top = Math.min(mouse.clientY + 12, innerHeight - node.offsetHeight - 8);
    node.style.transform = `translate(${Math.max(left, 4)}px, ${Math.max(top, 4)}px)`;
  };
  return { show, close: () => node.remove() };
}

/** A chart in a panel with the pointer card; `point(number | null)` hears which trial is pointed at. */
function chartPanel(title, race, point, figure, { kind, label, more = null }) {
  const holder = el("div", { class: `chart ${kind}-chart`, role: "img", "aria-label": label });
  const card = pointerCard(race);
  const chart = mountChart(holder, figure, (id, mouse) => {
    card.show(id, mouse);
    point(id);
  });
  const node = panel(title, { more, kind: `${kind}-panel` }, holder);
  node.chart = chart;
  node.update = chart.redraw;
  node.close = () => {
    chart.close();
    card.close();
  };
  requestAnimationFrame(() => node.update());
  return node;
}

/** A log switch that decides by the values until somebody uses it. */
function logSwitch(race, onChange) {
  const box = el("input", { type: "checkbox" });
  let chosen = false;
  box.addEventListener("change", () => {
    chosen = true;
    onChange();
  });
  const node = el("label", { class: "switch" }, box, "log scale");
  node.read = (values) => {
    if (!chosen) box.checked = prefersLog(values, { maximize: maximizes(race) });
    return box.checked;
  };
  return node;
}

function legend() {
  const entry = (kind, text) => el("span", { class: `key key-${kind}` }, text);
  return el("div", { class: "legend", "aria-hidden": "true" }, entry("leader", "leader"), entry("running", "racing"),
    entry("completed", "finished"), entry("stopped", "stopped early"), entry("diverged", "diverged"), entry("rung", "rung"));
}

function linesOf(race) {
  const lines = [];
  for (const trial of race.trials.values()) {
    const curve = race.curves.get(trial.number);
    if (curve) lines.push({ number: trial.number, state: trial.state, ...curve });
  }
  return lines;
}

/** The learning curves of all trials: the race itself. */
export function racePanel(race, point) {
  let log = false;
  const scale = logSwitch(race, () => node.update());
  const figure = () => {
    const lines = linesOf(race);
    log = scale.read(lines.flatMap((line) => line.values));
    return curvesFigure(lines, {
      metric: metricOf(race), maximize: maximizes(race), log, leader: leaderOf(race)?.number ?? null,
      epochs: budgetOf(race).epochs_per_trial ?? 0, rungs: race.job.rungs ?? [], revision: `race-${log}`,
    }, readTheme());
  };
  const node = chartPanel("The race", race, point, figure, {
    kind: "race", label: "Learning curves of all trials", more: [legend(), scale],
  });
  let wanted = null;
  const paint = onFrame(() => {
    const curve = wanted === null ? null : race.curves.get(wanted);
    const trace = highlight(curve ? { number: wanted, ...curve } : null, readTheme(), log);
    node.chart.restyle({ x: [trace.x], y: [trace.y] }, HIGHLIGHT);
  }, 60);
  node.highlight = (id) => {
    wanted = id;
    paint();
  };
  return node;
}

/** Every trial's objective and the best so far. */
export function historyPanel(race, point) {
  const scale = logSwitch(race, () => node.update());
  const figure = () => {
    const points = [...race.trials.values()].sort((a, b) => a.number - b.number)
      .map((trial) => ({ ...trial, value: objectiveOf(race, trial) }));
    const log = scale.read(points.map((point) => point.value));
    return historyFigure(points, {
      metric: metricOf(race), maximize: maximizes(race), log, trials: race.job.progress?.trials, revision: `history-${log}`,
      random: race.job.plan?.random_trials,
    }, readTheme());
  };
  const node = chartPanel("Best so far", race, point, figure, {
    kind: "history", label: "Objective of every trial and the best so far", more: scale,
  });
  return node;
}

/** Parallel coordinates of the parameters that vary. */
export function coordinatesPanel(race, point) {
  const columns = () => {
    const space = race.job.resolved_spec?.space ?? {};
    return [...parameterNames(race).slice(0, 12).map((name) => ({ name, log: Boolean(space[name]?.log) })),
      { name: metricOf(race) }];
  };
  let holder = null;
  const figure = () => {
    const axes = columns();
    holder ??= node.querySelector(".chart");
    holder.style.minWidth = `${axes.length * 104}px`;
    const competing = [...race.trials.values()].filter((trial) => !["diverged", "failed"].includes(trial.state));
    const trials = competing.map((trial) => ({
      number: trial.number,
      values: [...axes.slice(0, -1).map((column) => trial.parameters?.[column.name]), objectiveOf(race, trial)],
    }));
    return parallelFigure(axes, trials, { maximize: maximizes(race) }, readTheme());
  };
  const key = el("span", { class: "scale-key muted small-text" }, "worse", el("span", { class: "scale-bar" }), "better",
    el("span", { class: "key key-leader" }, "leader"));
  const node = chartPanel("Parameters", race, point, figure, {
    kind: "parallel", label: "Parallel coordinates of parameters, coloured by objective", more: key,
  });
  return node;
}
