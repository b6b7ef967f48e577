/** The side panel of the form: what the job would do, problems put at their fields, the body as JSON and as curl. */

import { api, curlLine } from "../api.js";
import { copyButton, el } from "../dom.js";
import { count, duration, words } from "../format.js";
import { nearestPath } from "../job_body.js";
import { setProblem } from "./fields.js";
import { facts, problemBox } from "./parts.js";

/** Put each error of a problem at the field that its path names; returns those that found none. */
export function placeProblems(form, errors) {
  const holders = [...form.querySelectorAll("[data-path]")];
  for (const holder of holders) if (holder.querySelector(":scope > .field-problem")) setProblem(holder, null);
  const messages = new Map();
  const rest = [];
  for (const error of errors) {
    const path = nearestPath(error.path, holders.map((holder) => holder.dataset.path));
    if (path === null) rest.push(error);
    else messages.set(path, [...(messages.get(path) ?? []), error.message]);
  }
  for (const [path, texts] of messages) {
    setProblem(holders.find((holder) => holder.dataset.path === path), texts.join(" "));
  }
  return rest;
}

function shown(value) {
  if (Array.isArray(value)) return value.join(", ") || "none";
  if (value !== null && typeof value === "object") return JSON.stringify(value);
  return typeof value === "number" ? count(value) : String(value);
}

function outcome(answer) {
  const { resolved_spec: spec, ...rest } = answer;
  const numbers = Object.entries({ ...rest, ...(rest.preview ?? {}) })
    .filter(([name, value]) => name !== "preview" && value !== null && typeof value !== "object" || Array.isArray(value));
  return facts([
    ["task", spec?.task], ["objective", words(spec?.objective?.name)], ["features", spec?.features?.length],
    ...numbers.map(([name, value]) => [words(name), name.includes("seconds") ? duration(value) : shown(value)]),
  ]);
}

/** The panel; `check()` asks for a preview of `body()`, `submit()` sends it and goes to the job's page. */
export function previewPanel(form, body) {
  const result = el("div", { class: "preview-result", "aria-live": "polite" }, el("p", { class: "muted" }, "Checking …"));
  const [json, curl] = [el("pre", { tabindex: "0", "aria-label": "JSON body" }), el("pre", { tabindex: "0", "aria-label": "curl" })];
  const send = el("button", { type: "button", class: "primary wide" }, "Start the race");
  const node = el("aside", { class: "panel preview", "aria-label": "Preview" },
    el("header", { class: "panel-head" }, el("h2", {}, "This job will")), result, send,
    el("details", { open: true }, el("summary", {}, "JSON body"),
      el("div", { class: "code-box" }, copyButton(() => json.textContent), json)),
    el("details", {}, el("summary", {}, "The same with curl"),
      el("div", { class: "code-box" }, copyButton(() => curl.textContent), curl)));
  let running = null;

  const show = (problem) => {
    const rest = placeProblems(form, problem.errors);
    const placed = problem.errors.length - rest.length;
    if (!problem.errors.length || rest.length) result.replaceChildren(problemBox({ message: problem.message, errors: rest }));
    else result.replaceChildren(el("p", { class: "problem" }, placed === 1 ? "One field needs a change." : `${placed} fields need a change.`));
  };
  node.check = async () => {
    const wanted = body();
    json.textContent = JSON.stringify(wanted, null, 2);
    curl.textContent = curlLine(wanted);
    running?.abort();
    running = new AbortController();
    const mine = running;
    try {
      const answer = await api.preview(wanted, mine.signal);
      if (mine !== running) return;
      placeProblems(form, []);
      result.replaceChildren(outcome(answer));
      node.dataset.valid = "true";
    } catch (problem) {
      if (problem.name === "AbortError" || mine !== running) return;
      node.dataset.valid = "false";
      show(problem);
    }
  };
  node.submit = async () => {
    send.disabled = true;
    try {
      const job = await api.submit(body());
      location.hash = `#/jobs/${encodeURIComponent(job.id)}`;
    } catch (problem) {
      show(problem);
      form.querySelector("[aria-invalid]")?.focus();
    }
    send.disabled = false;
  };
  send.addEventListener("click", () => node.submit());
  return node;
}
