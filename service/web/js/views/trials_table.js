/** The trials as a sortable table; at most 200 rows until asked for more. Rows are kept and changed in place. */

import { arrange, el, onFrame, setText } from "../dom.js";
import { parameter, trialReason, withSpread, words } from "../format.js";
import { countStates, leaderOf, maximizes, objectiveOf, parameterNames, spreadOf, TRIAL_STATES } from "../state.js";
import { panel, stateChip } from "./parts.js";

const STEP = 200;

function epochBar() {
  const fill = el("span", { class: "fill" });
  const text = el("span", { class: "num" });
  const node = el("span", { class: "lane" }, el("span", { class: "track" }, fill), text);
  node.set = (epochs, all) => {
    fill.style.transform = `scaleX(${all ? Math.min(epochs / all, 1) : 0})`;
    setText(text, String(epochs));
  };
  return node;
}

function errorRow(trial, span) {
  const { kind, message, traceback } = trial.error;
  return el("tr", { class: "error-row" }, el("td", { colspan: span },
    el("p", {}, el("strong", {}, kind), ": ", message),
    traceback ? el("pre", {}, traceback) : null));
}

/** One trial's row; `set(trial, facts)` changes what differs. */
function trialRow(point, toggle) {
  const [id, objective, best] = ["num", "num strong", "num"].map((kind) => el("td", { class: kind }));
  const [chip, bar] = [stateChip("pending"), epochBar()];
  const why = el("button", { type: "button", class: "link", hidden: true, "aria-expanded": "false" }, "error");
  const state = el("td", { class: "state-cell" }, chip, why);
  const node = el("tr", {}, id, state, objective, el("td", {}, bar), best);
  const cells = [];
  why.addEventListener("click", () => toggle(node.trial.number));
  node.addEventListener("pointerenter", () => point(node.trial.number));
  node.addEventListener("pointerleave", () => point(null));
  node.set = (trial, { value, spread, epochs, budget, bestEpoch, names, leads, open }) => {
    node.trial = trial;
    node.dataset.state = trial.state;
    node.classList.toggle("leads", leads);
    setText(id, String(trial.number));
    chip.set(trial.state);
    chip.title = trialReason(trial.reason);
    why.hidden = !trial.error;
    why.setAttribute("aria-expanded", String(open));
    setText(objective, withSpread(value, spread));
    bar.set(epochs, budget);
    setText(best, bestEpoch === null || bestEpoch === undefined ? "–" : String(bestEpoch));
    while (cells.length < names.length) node.append((cells[cells.length] = el("td", { class: "num" })));
    while (cells.length > names.length) cells.pop().remove();
    names.forEach((name, index) => setText(cells[index], parameter(trial.parameters?.[name])));
  };
  return node;
}

const COLUMNS = [
  ["number", "#", (trial) => trial.number],
  ["state", "state", (trial) => TRIAL_STATES.indexOf(trial.state)],
  ["objective", "objective", (trial, race) => objectiveOf(race, trial)],
  ["epochs", "epochs", (trial, race) => epochsOf(race, trial)],
  ["best", "best epoch", (trial, race) => bestEpochOf(race, trial)],
];

const epochsOf = (race, trial) => race.curves.get(trial.number)?.epochs.at(-1) ?? trial.epochs ?? 0;
const bestEpochOf = (race, trial) => race.curves.get(trial.number)?.bestEpoch ?? trial.best_epoch ?? null;

function compare(left, right, down) {
  const none = (value) => value === null || value === undefined || Number.isNaN(value);
  if (none(left) || none(right)) return none(left) - none(right); // missing is last, either way
  const order = typeof left === "number" && typeof right === "number"
    ? left - right : String(parameter(left)).localeCompare(String(parameter(right)));
  return down ? -order : order;
}

/** The head row: one sort button per column. */
function headRow(sort, onSort) {
  const row = el("tr");
  let shown = "";
  row.set = (names, metric) => {
    const columns = [...COLUMNS.map(([key, label]) => [key, key === "objective" ? metric : label]),
      ...names.map((name) => [`p:${name}`, name])];
    const signature = JSON.stringify([columns, sort]);
    if (signature === shown) return;
    shown = signature;
    const focused = row.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    row.replaceChildren(...columns.map(([key, label]) => {
      const order = sort.key === key ? (sort.down ? "descending" : "ascending") : null;
      const button = el("button", { type: "button", "data-key": key, onclick: () => onSort(key) }, label);
      const right = key.startsWith("p:") || ["objective", "best", "number"].includes(key);
      return el("th", { scope: "col", "aria-sort": order, class: right ? "num" : null }, button);
    }));
    if (focused) [...row.querySelectorAll("button")].find((button) => button.dataset.key === focused)?.focus();
  };
  return row;
}

/** Chips that count the states and filter by them. */
function stateFilter(onChange) {
  const chosen = new Set();
  const chips = TRIAL_STATES.map((state) => {
    const text = el("span", { class: "num" });
    const button = el("button", { type: "button", class: "chip filter", "data-state": state, "aria-pressed": "false" }, `${state} `, text);
    button.addEventListener("click", () => {
      if (!chosen.delete(state)) chosen.add(state);
      button.setAttribute("aria-pressed", String(chosen.has(state)));
      onChange();
    });
    return { state, button, text };
  });
  const node = el("div", { class: "filters", role: "group", "aria-label": "Filter by state" }, chips.map((chip) => chip.button));
  node.chosen = chosen;
  node.set = (counts) => chips.forEach(({ state, button, text }) => {
    setText(text, String(counts[state]));
    button.hidden = !counts[state] && !chosen.has(state);
  });
  return node;
}

/** Trials in the order of `sort`, those of `chosen` states only (all when empty). */
export function sortTrials(race, sort, chosen) {
  const reader = sort.key.startsWith("p:")
    ? (trial) => trial.parameters?.[sort.key.slice(2)]
    : COLUMNS.find(([key]) => key === sort.key)[2];
  return [...race.trials.values()].filter((trial) => !chosen.size || chosen.has(trial.state))
    .map((trial) => [reader(trial, race), trial])
    .sort((a, b) => compare(a[0], b[0], sort.down) || a[1].number - b[1].number)
    .map(([, trial]) => trial);
}

/** The table panel; `point(number | null)` hears which row is pointed at. */
export function trialsTable(race, point) {
  const sort = { key: "objective", down: maximizes(race) };
  const [rows, errors, open] = [new Map(), new Map(), new Set()];
  let limit = STEP;
  const draw = onFrame(() => update(), 400);
  const head = headRow(sort, (key) => {
    sort.down = sort.key === key ? !sort.down : key === "objective" && maximizes(race);
    sort.key = key;
    update();
  });
  const filter = stateFilter(() => update());
  const body = el("tbody");
  const more = el("button", { type: "button", hidden: true });
  more.addEventListener("click", () => {
    limit += STEP;
    update();
  });
  const toggle = (id) => {
    if (!open.delete(id)) open.add(id);
    update();
  };
  const rowsOf = (trial, facts) => {
    const id = trial.number;
    if (!rows.has(id)) rows.set(id, trialRow(point, toggle));
    rows.get(id).set(trial, facts);
    if (!facts.open) return [rows.get(id)];
    if (!errors.has(id)) errors.set(id, errorRow(trial, 5 + facts.names.length));
    return [rows.get(id), errors.get(id)];
  };
  const update = () => {
    const names = parameterNames(race);
    const leader = leaderOf(race);
    const trials = sortTrials(race, sort, filter.chosen);
    head.set(names, words(race.job.resolved_spec?.objective?.name ?? "objective"));
    filter.set(countStates(race));
    arrange(body, trials.slice(0, limit).flatMap((trial) => rowsOf(trial, {
      names, budget: race.job.resolved_spec?.budget?.epochs_per_trial, value: objectiveOf(race, trial),
      spread: spreadOf(race, trial),
      epochs: epochsOf(race, trial), bestEpoch: bestEpochOf(race, trial),
      leads: trial === leader, open: open.has(trial.number) && Boolean(trial.error),
    })));
    more.hidden = trials.length <= limit;
    setText(more, `Show ${Math.min(STEP, trials.length - limit)} more of ${trials.length}`);
  };
  const node = panel("Trials", { more: filter, kind: "trials-panel" },
    el("div", { class: "table-box", tabindex: "0", role: "region", "aria-label": "Trials" },
      el("table", {}, el("thead", {}, head), body)), more);
  node.update = draw;
  update();
  return node;
}
