/** One job, live: loads it, follows its events, and tells each part what changed. The parts draw themselves. */

import { api, followEvents } from "../api.js";
import { copyButton, el, onFrame, toast } from "../dom.js";
import { applyEvents, createRace, JOB_ENDED } from "../state.js";
import { bestCard } from "./best_card.js";
import { bestParameters } from "./best_parameters.js";
import { editsPanel } from "./edits.js";
import { frontPanel } from "./front.js";
import { jobHeader } from "./job_header.js";
import { lineagePanel } from "./lineage.js";
import { panel, problemBox } from "./parts.js";
import { coordinatesPanel, historyPanel, racePanel } from "./race.js";
import { rangePanel } from "./range_test.js";
import { trialsTable } from "./trials_table.js";

function notesPanel(race) {
  const list = el("ul", { class: "notes" });
  const node = panel("Notes", { kind: "notes-panel" }, list);
  node.update = () => {
    node.hidden = !race.notes.length;
    for (const note of race.notes.slice(list.children.length)) {
      list.append(el("li", {}, el("code", {}, note.code), " ", note.message,
        note.trial !== null && note.trial !== undefined ? el("span", { class: "muted" }, ` (trial ${note.trial})`) : null));
    }
  };
  node.update();
  return node;
}

function specPanel(race) {
  const text = () => JSON.stringify(race.job.resolved_spec ?? race.job.spec, null, 2);
  const pre = el("pre", { tabindex: "0", "aria-label": "Resolved spec" });
  const node = el("details", { class: "panel spec" },
    el("summary", {}, el("h2", {}, "Resolved spec")), el("div", { class: "code-box" }, copyButton(text), pre));
  node.addEventListener("toggle", () => (pre.textContent = text()));
  return node;
}

const trainsOutside = (race) => race.job.resolved_spec?.trainer === "external";

/** Everything on the page, with the parts of the state each one listens to; `calls` are those to the service. */
function buildParts(race, calls) {
  const shared = { hovered: null, listeners: [] };
  const point = (number) => {
    if (shared.hovered === number) return;
    shared.hovered = number;
    for (const listener of shared.listeners) listener(number);
  };
  const race_ = racePanel(race, point);
  shared.listeners.push(race_.highlight);
  const table = trialsTable(race, point);
  return [
    [jobHeader(race, calls), ["job", "trials"]],
    [editsPanel(race, calls.reload), ["job", "notes"]],
    [race_, ["curves"]],
    [historyPanel(race, point), ["curves"]],
    [trainsOutside(race) ? bestParameters(race) : bestCard(race), ["models", "job", "trials", "curves"]],
    [coordinatesPanel(race, point), ["trials"]],
    [table, ["trials", "curves", "job"]],
    [notesPanel(race), ["notes"]],
    [rangePanel(race), ["notes"]],
    [lineagePanel(race, point), ["trials", "job"]],
    [frontPanel(race, point), ["trials", "job"]],
    [specPanel(race), []],
  ];
}

function arrangePage(parts) {
  const [header, edits, race, history, best, coordinates, table, notes, range, lineage, front, spec] = parts.map(([node]) => node);
  return [header, edits, race, el("div", { class: "columns" }, history, best), front, table, coordinates, lineage, range, notes, spec];
}

/** Read what has happened so far, page by page; the stream then begins where this ends. */
async function readHistory(race) {
  for (;;) {
    const { items, next_cursor: next } = await api.events(race.job.id, race.cursor);
    applyEvents(race, items);
    if (next === null) return;
  }
}

/** Show job `id` in `main`; returns what ends it. */
export function showJob(main, id) {
  const ends = [];
  let closed = false;
  main.append(el("div", { class: "loading", "aria-busy": "true" }, "Loading …"));

  const start = async () => {
    const job = await api.job(id);
    if (closed) return;
    document.title = `${job.name || job.id} · Regatta`;
    const race = createRace(job);
    await readHistory(race);
    if (closed) return;
    let stop = () => {};
    const take = (answer) => {
      applyChange([{ type: "job", id: 0, data: answer }]);
      if (answer.state === "queued") follow();
    };
    const act = async (verb) => {
      try {
        const answer = await api.act(id, verb);
        if (answer.state === "running") toast(`The job will ${verb} at the end of its round.`);
        take(answer);
      } catch (problem) {
        toast(problem.message, "bad");
      }
    };
    const extend = async (trials) => take(await api.extend(id, trials));
    const edit = async (body) => take(await api.edit(id, body));
    const reload = async () => applyChange([{ type: "job", id: 0, data: await api.job(id) }]);
    const parts = buildParts(race, { act, extend, edit, reload });
    const dirty = new Set();
    const draw = onFrame(() => {
      for (const [node, listens] of parts) if (listens.some((part) => dirty.has(part))) node.update();
      dirty.clear();
    });
    const applyChange = (events) => {
      for (const part of applyEvents(race, events)) dirty.add(part);
      draw();
    };
    const follow = () => {
      stop();
      stop = followEvents(id, {
        cursor: () => race.cursor,
        onEvents: applyChange,
        onLive: (live) => main.classList.toggle("offline", !live && !JOB_ENDED.has(race.job.state)),
        isOver: () => JOB_ENDED.has(race.job.state),
      });
    };
    main.replaceChildren(...arrangePage(parts));
    draw();
    follow();
    ends.push(() => stop(), ...parts.map(([node]) => () => node.close?.()));
  };
  start().catch((problem) => main.replaceChildren(problemBox(problem)));
  return () => {
    closed = true;
    main.classList.remove("offline");
    for (const end of ends) end();
  };
}
