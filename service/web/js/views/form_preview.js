/** The side panel of the form: what the job would do, problems put at their fields, the body as JSON and as curl. */

import { api, curlLine } from "../api.js";
import { copyButton, debounce, el } from "../dom.js";
import { count, number, words } from "../format.js";
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
    const holder = holders.find((candidate) => candidate.dataset.path === path);
    setProblem(holder, texts.join(" "));
    for (let around = holder.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
  }
  return rest;
}

/** Put a problem's errors at their fields; answers what is left to say, as an element. */
export function showProblem(form, problem) {
  const rest = placeProblems(form, problem.errors);
  const placed = problem.errors.length - rest.length;
  if (!problem.errors.length || rest.length) return problemBox({ message: problem.message, errors: rest });
  return el("p", { class: "problem" }, placed === 1 ? "One field needs a change." : `${placed} fields need a change.`);
}

/** What is typed that cannot be sent, as the service would say it: JSON that is none. */
export function brokenTexts(form) {
  return [...form.querySelectorAll("textarea")].map((box) => ({ path: box.closest("[data-path]")?.dataset.path, message: box.trouble?.() }))
    .filter(({ path, message }) => path && message);
}

/** Rows of each part, as a term and its value; stopping rows are named where there are any. */
function rowsOf({ train, stopping, validation, test }) {
  const parts = [["train", train], ...(stopping === 0 ? [] : [["stop", stopping]]), ["validate", validation], ["test", test]];
  const known = parts.some(([, rows]) => rows !== null);
  return [`${parts.map(([name]) => name).join(" / ")} rows`, known ? parts.map(([, rows]) => count(rows)).join(" / ") : null];
}

function rangeOf(test) {
  if (!test) return null;
  const sweep = `${number(test.low)} to ${number(test.high)} in ${count(test.steps)} steps`;
  return test.adopt ? `${sweep}, then the search within what it suggests` : sweep;
}

function goalOf({ name, maximize }) {
  return `${words(name)}, ${maximize ? "higher" : "lower"} is better`;
}

function boundsOf({ metric, at_least: least, at_most: most }) {
  const bounds = [least == null ? null : `at least ${number(least)}`, most == null ? null : `at most ${number(most)}`];
  return `${words(metric)} ${bounds.filter(Boolean).join(", ")}`;
}

/** What the service says the job would do, in the order in which one asks. */
function outcome(plan) {
  const rungs = plan.rungs ?? [];
  return facts([
    ["task", plan.task], ["because", plan.task_reason || null],
    ["objective", goalOf(plan.objective)],
    ["beside it", (plan.further_objectives ?? []).map(goalOf).join("; ") || null],
    ["limits", (plan.limits ?? []).map(boundsOf).join("; ") || null],
    ["features", plan.features.length || null], rowsOf(plan.rows),
    ["also measured", plan.metrics.slice(1).map(words).join(", ") || null],
    ["what varies", plan.parameters.map(words).join(", ") || "nothing"],
    ["range test", rangeOf(plan.range_test)],
    ["search", `${plan.algorithm} + ${plan.scheduler}`],
    ["trials", `${count(plan.trials)}, ${count(plan.parallelism)} at once`],
    ["networks", plan.lanes > plan.trials ? `${count(plan.lanes)}, ${count(plan.lanes_per_trial)} for each trial` : null],
    ["epochs", `${count(plan.epochs_per_trial)} each, ${count(plan.epochs_bought)} at most in all`],
    ["rungs", rungs.length ? `${rungs.slice(0, 8).join(", ")}${rungs.length > 8 ? " …" : ""}` : null],
  ]);
}

/**
 * The panel; `check()` shows `body()` and soon asks what it would do, which `heard(plan, body)` hears; `submit()` sends
 * it and goes to the job's page.
 */
export function previewPanel(form, body, heard) {
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

  const show = (problem) => result.replaceChildren(showProblem(form, problem));
  /** Whether all that is typed can be sent; shows what cannot. */
  const isWhole = () => {
    const errors = brokenTexts(form);
    if (errors.length) show({ errors });
    return !errors.length;
  };
  const ask = async () => {
    running?.abort();
    running = null;
    if (!isWhole()) return;
    const wanted = body();
    running = new AbortController();
    const mine = running;
    try {
      const answer = await api.preview(wanted, mine.signal);
      if (mine !== running) return;
      placeProblems(form, []);
      result.replaceChildren(outcome(answer));
      heard(answer, wanted);
      node.dataset.valid = "true";
    } catch (problem) {
      if (problem.name === "AbortError" || mine !== running) return;
      node.dataset.valid = "false";
      show(problem);
    }
  };
  const askSoon = debounce(ask, 250);
  node.check = () => {
    json.textContent = JSON.stringify(body(), null, 2);
    curl.textContent = curlLine(body());
    delete node.dataset.valid;
    askSoon();
  };
  node.submit = async () => {
    if (!isWhole()) return;
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
