/** Head of the job page: name, state in words, numbers, and the buttons that fit the state. */

import { el, setText } from "../dom.js";
import { count, duration, jobReason, number, words } from "../format.js";
import { countStates, JOB_ENDED, leaderOf, objectiveOf } from "../state.js";
import { spaceEdit } from "./edit_space.js";
import { extension } from "./extend.js";
import { progressBar, stateChip } from "./parts.js";

const BUTTONS = [
  ["pause", "Pause", ["queued", "running"], ""],
  ["resume", "Resume", ["paused", "failed"], "primary"],
  ["cancel", "Cancel", ["queued", "running", "paused"], "danger"],
];

function buttons(id, act, more) {
  const nodes = BUTTONS.map(([verb, label, states, kind]) => {
    const button = el("button", { type: "button", class: kind }, label);
    button.addEventListener("click", async () => {
      if (verb === "cancel" && !window.confirm("Cancel this job? Its trials end here; what is done is kept.")) return;
      button.disabled = true;
      await act(verb);
      button.disabled = false;
    });
    return { button, states };
  });
  const clone = el("a", { class: "button", href: `#/new?from=${encodeURIComponent(id)}` }, "Clone");
  const node = el("div", { class: "actions" }, nodes.map(({ button }) => button), more, clone);
  node.set = (state) => nodes.forEach(({ button, states }) => (button.hidden = !states.includes(state)));
  return node;
}

function stat(label) {
  const value = el("dd", { class: "num value" });
  const small = el("dd", { class: "muted small-text" });
  const node = el("div", { class: "stat" }, el("dt", {}, label), value, small);
  node.set = (text, more = "") => {
    setText(value, text);
    setText(small, more);
  };
  return node;
}

/** Seconds of work so far; the clock runs on between events while the job runs. */
function elapsed(race) {
  const seconds = race.job.progress?.seconds;
  if (seconds === null || seconds === undefined) return null;
  return race.job.state === "running" ? seconds + (Date.now() - race.receivedAt) / 1000 : seconds;
}

function parentLink({ parent }) {
  return parent ? [el("a", { class: "parent", href: `#/jobs/${encodeURIComponent(parent)}` }, parent), " / "] : null;
}

/** The head of a job; `act(verb)` sends a command, `extend(trials)` asks for more trials, `edit(body)` for another space. */
export function jobHeader(race, { act, extend, edit }) {
  const [more, other] = [extension(extend), spaceEdit(race.job.id, edit)];
  const actions = buttons(race.job.id, act, [more.button, other.button]);
  const [chip, progress] = [stateChip(race.job.state), progressBar("trials done")];
  const reason = el("span", { class: "reason" });
  const detail = el("p", { class: "detail", role: "status" });
  const [best, trials, epochs, time] = ["Best", "Racing", "Epochs trained", "Elapsed"].map(stat);
  const title = el("h1", {}, race.job.name || race.job.id);
  const node = el("section", { class: "job-head" },
    el("div", { class: "head-line" },
      el("div", {}, el("p", { class: "crumbs" }, el("a", { href: "#/jobs" }, "Jobs"), " / ", parentLink(race.job)), title),
      actions),
    more.form, other.form,
    el("p", { class: "state-line" }, chip, reason, el("span", { class: "offline-mark" }, "reconnecting …")), detail,
    progress, el("dl", { class: "stats" }, best, trials, epochs, time));

  const tick = () => time.set(duration(elapsed(race)), race.job.resolved_spec?.budget?.seconds
    ? `of ${duration(race.job.resolved_spec.budget.seconds)}` : "");
  node.update = () => {
    const { job } = race;
    const counts = countStates(race);
    const ended = race.trials.size - counts.running - counts.paused - counts.pending;
    const leader = leaderOf(race);
    chip.set(job.state);
    setText(reason, jobReason(job.reason));
    setText(detail, job.detail ?? "");
    detail.hidden = !job.detail;
    progress.set(Math.max(job.progress?.done ?? 0, ended), job.progress?.trials ?? 0);
    best.set(number(leader ? objectiveOf(race, leader) : job.best?.objective),
      [words(job.resolved_spec?.objective?.name), leader ? `trial ${leader.number}` : ""].filter(Boolean).join(" · "));
    trials.set(count(JOB_ENDED.has(job.state) ? 0 : counts.running),
      [counts.stopped ? `${counts.stopped} stopped early` : "", counts.failed ? `${counts.failed} failed` : ""]
        .filter(Boolean).join(" · "));
    epochs.set(count(job.progress?.epochs), [job.resolved_spec?.algorithm?.kind, job.resolved_spec?.scheduler?.kind]
      .filter(Boolean).join(" + "));
    actions.set(job.state);
    more.set(job);
    other.set(job, race.trials.size);
    tick();
  };
  node.update();
  const clock = setInterval(tick, 1000);
  node.close = () => clearInterval(clock);
  return node;
}
