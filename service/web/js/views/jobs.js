/** All jobs, newest first, kept current by asking again every few seconds while the page is visible. */

import { api, curlLine } from "../api.js";
import { arrange, copyButton, el, setText } from "../dom.js";
import { age, jobReason, number, words } from "../format.js";
import { problemBox, progressBar, stateChip } from "./parts.js";

const EVERY_MS = 2500;
const EXAMPLE = { dataset: "digits" };

function jobRow() {
  const chip = stateChip("queued");
  const progress = progressBar("trials done");
  const link = el("a", { class: "job-name" });
  const [reason, best, bestName, when] = ["job-reason", "job-best num", "muted small-text", "job-age muted"]
    .map((name) => el("span", { class: name }));
  const node = el("li", { class: "job-row" },
    el("div", { class: "job-title" }, link, reason), chip, progress, el("div", { class: "job-score" }, best, bestName), when);
  node.set = (job) => {
    link.href = `#/jobs/${encodeURIComponent(job.id)}`;
    setText(link, job.name || job.id);
    setText(reason, job.detail && job.state === "failed" ? job.detail : jobReason(job.reason));
    chip.set(job.state);
    progress.set(job.progress?.done ?? 0, job.progress?.trials ?? 0);
    setText(best, number(job.best?.objective));
    setText(bestName, words(job.resolved_spec?.objective?.name ?? ""));
    setText(when, age(job.created_at));
    node.dataset.state = job.state;
  };
  return node;
}

function emptyState() {
  const line = curlLine(EXAMPLE);
  return el("div", { class: "empty panel" },
    el("h2", {}, "No job has started yet"),
    el("p", {}, "A dataset and a target are a whole job. ", el("a", { href: "#/new" }, "Fill in the form"),
      ", or send one from a terminal:"),
    el("div", { class: "code-box" }, copyButton(() => line), el("pre", {}, line)));
}

/** Show the list in `main`; returns what ends it. */
export function showJobs(main) {
  const list = el("ul", { class: "job-list", "aria-label": "Jobs" });
  const holder = el("div", { "aria-busy": "true" });
  const more = el("button", { type: "button", hidden: true }, "Show older jobs");
  const trouble = el("div", { class: "trouble" });
  main.append(el("div", { class: "page-head" }, el("h1", {}, "Jobs")), trouble, holder, more);
  const rows = new Map();
  let [timer, older, next] = [0, [], null];

  const draw = (jobs) => {
    const nodes = jobs.map((job) => {
      if (!rows.has(job.id)) rows.set(job.id, jobRow());
      rows.get(job.id).set(job);
      return rows.get(job.id);
    });
    arrange(list, nodes);
    holder.removeAttribute("aria-busy");
    if (!jobs.length) {
      if (!holder.querySelector(".empty")) holder.replaceChildren(emptyState());
    } else if (!list.isConnected) holder.replaceChildren(list);
  };
  const refresh = async () => {
    try {
      if (!document.hidden) {
        const page = await api.jobs();
        const known = new Set(page.items.map((job) => job.id));
        if (!older.length) next = page.next_cursor;
        more.hidden = !next;
        draw([...page.items, ...older.filter((job) => !known.has(job.id))]);
        trouble.replaceChildren();
      }
    } catch (problem) {
      trouble.replaceChildren(problemBox(problem));
    }
    timer = setTimeout(refresh, EVERY_MS);
  };
  more.addEventListener("click", async () => {
    const page = await api.jobs(next);
    [older, next] = [[...older, ...page.items], page.next_cursor];
    clearTimeout(timer);
    refresh();
  });
  refresh();
  return () => clearTimeout(timer);
}
