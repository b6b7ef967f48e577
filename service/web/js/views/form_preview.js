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
    setProblem(holders.find((holder) => holder.dataset.path === path), texts.join(" "));
  }
  return rest;
}

function rowsOf({ train, validation, test }) {
  return [train, validation, test].every((part) => part === null || part === undefined)
    ? null : [train, validation, test].map(count).join(" / ");
}

function rangeOf(test) {
  if (!test) return null;
  const sweep = `${number(test.low)} to ${number(test.high)} in ${count(test.steps)} steps`;
  return test.adopt ? `${sweep}, then the search within what it suggests` : sweep;
}

/** What the service says the job would do, in the order in which one asks. */
function outcome(plan) {
  const rungs = plan.rungs ?? [];
  return facts([
    ["task", plan.task], ["because", plan.task_reason],
    ["objective", `${words(plan.objective.name)}, ${plan.objective.maximize ? "higher" : "lower"} is better`],
    ["features", plan.features.length], ["train / validate / test rows", rowsOf(plan.rows)],
    ["what varies", plan.parameters.map(words).join(", ") || "nothing"],
    ["range test", rangeOf(plan.range_test)],
    ["search", `${plan.algorithm} + ${plan.scheduler}`],
    ["trials", `${count(plan.trials)}, ${count(plan.parallelism)} at once`],
    ["networks", plan.lanes > plan.trials ? `${count(plan.lanes)}, ${count(plan.lanes_per_trial)} for each trial` : null],
    ["epochs", `${count(plan.epochs_per_trial)} each, ${count(plan.epochs_bought)} at most in all`],
    ["rungs", rungs.length ? `${rungs.slice(0, 8).join(", ")}${rungs.length > 8 ? " …" : ""}` : null],
  ]);
}

/** The panel; `check()` shows `body()` and soon asks what it would do, `submit()` sends it and goes to the job's page. */
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
  const ask = async () => {
    const wanted = body();
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
  const askSoon = debounce(ask, 250);
  node.check = () => {
    json.textContent = JSON.stringify(body(), null, 2);
    curl.textContent = curlLine(body());
    delete node.dataset.valid;
    askSoon();
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
