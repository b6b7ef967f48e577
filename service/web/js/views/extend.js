/** More trials for a job that is not running: a button, and the form that it opens. */

import { el } from "../dom.js";
import { field, setProblem } from "./fields.js";

const STATES = ["queued", "paused", "succeeded", "failed"];

/**
 * The button and the form as `{button, form, set}`; `extend(trials)` asks the service, and what it throws stands at the
 * field. `set(job)` follows the job.
 */
export function extension(extend) {
  const input = el("input", { type: "number", min: 1, step: 1, inputmode: "numeric", autocomplete: "off" });
  const hint = "With those it has. It goes on from what it has trained.";
  const holder = field("Trials in all", input, { path: "trials", hint });
  const send = el("button", { type: "submit", class: "primary" }, "Add trials");
  const form = el("form", { class: "extend panel", novalidate: true, hidden: true }, holder, send);
  const button = el("button", { type: "button", "aria-expanded": "false" }, "Extend");
  let planned = 0;
  const show = (isOpen) => {
    form.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
    setProblem(holder, null);
  };
  button.addEventListener("click", () => {
    show(form.hidden);
    if (form.hidden) return;
    input.value = planned * 2;
    input.select();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    show(false);
    button.focus();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    send.disabled = true;
    try {
      await extend(Number(input.value));
      show(false);
    } catch (problem) {
      setProblem(holder, problem.errors?.map(({ message }) => message).join(" ") || problem.message);
      input.focus();
    }
    send.disabled = false;
  });
  const set = ({ state, progress }) => {
    planned = progress?.trials ?? 0;
    button.hidden = !STATES.includes(state);
    if (button.hidden) show(false);
  };
  return { button, form, set };
}
