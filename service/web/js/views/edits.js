/** The panel of a job's edits: from which trial on which parameters are drawn otherwise. */

import { el } from "../dom.js";
import { count, parameter, words } from "../format.js";
import { JOB_ENDED } from "../state.js";
import { panel } from "./parts.js";
import { describeEntry } from "./space_editor.js";

const LAW = ["type", "low", "high", "log", "mean", "sigma", "values"];

function describeField(name, value) {
  if (Array.isArray(value)) return `${name === "values" ? "" : `${words(name)} `}${value.map(parameter).join(", ")}`;
  if (value === null || value === false) return `no ${words(name)}`;
  return value === true ? words(name) : `${words(name)} ${parameter(value)}`;
}

/** What a patch makes of a parameter: its new law, or the fields that were changed. */
export function describeChange(patch) {
  if (patch === null) return "as in the preset";
  const whole = patch.type !== undefined;
  const fields = Object.entries(patch).filter(([name, value]) => !whole || (!LAW.includes(name) && value !== null));
  return [...(whole ? [describeEntry(patch)] : []), ...fields.map(([name, value]) => describeField(name, value))].join(", ");
}

const textOf = (constraint) => (typeof constraint === "string" ? constraint : JSON.stringify(constraint));

function changesOf({ space, constraints }) {
  const rows = Object.entries(space).map(([name, patch]) => [words(name), describeChange(patch)]);
  if (constraints) rows.push(["constraints", constraints.map(textOf).join("; ") || "none"]);
  return rows;
}

/** Where an edit holds; the note that was told when it was taken names its first trial. */
function placeOf({ round }, note, state) {
  if (round !== null) return Number.isInteger(note?.trial) ? `From trial ${count(note.trial)} on` : `After round ${count(round)}`;
  if (JOB_ENDED.has(state)) return "The job ended before";
  return state === "running" ? "At the end of the round" : "When the job goes on";
}

/** The panel, hidden where nothing was edited. `reload()` reads the job again: a note tells that an edit was taken. */
export function editsPanel(race, reload) {
  const list = el("ol", { class: "edits" });
  const node = panel("Edits of the space", { kind: "edits-panel" }, list);
  let [nAsked, shown] = [0, null];
  const item = (edit, note) => el("li", {}, el("strong", {}, placeOf(edit, note, race.job.state)),
    el("dl", {}, changesOf(edit).map(([name, text]) => el("div", {}, el("dt", {}, name), el("dd", { class: "num" }, text)))));
  node.update = () => {
    const { edits = [] } = race.job;
    const notes = race.notes.filter((note) => note.code === "edit");
    node.hidden = !edits.length;
    const wanted = JSON.stringify([edits, notes.length, race.job.state]);
    if (wanted !== shown) list.replaceChildren(...edits.map((edit, at) => item(edit, notes[at])));
    shown = wanted;
    if (notes.length <= nAsked || edits.filter((edit) => edit.round !== null).length >= notes.length) return;
    nAsked = notes.length;
    reload().catch(() => (nAsked = 0)); // the next note asks again
  };
  node.update();
  return node;
}
