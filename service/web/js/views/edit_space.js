/** Another space for the trials of a job that have not begun: a button, and the panel that it opens. */

import { api } from "../api.js";
import { el, setText } from "../dom.js";
import { count, words } from "../format.js";
import { same } from "../schema.js";
import { changeOf, currentSpace } from "../space_patch.js";
import { JOB_ENDED } from "../state.js";
import { group, setProblem } from "./fields.js";
import { brokenTexts, showProblem } from "./form_preview.js";
import { constraintsSection } from "./form_sections.js";
import { problemBox } from "./parts.js";
import { spaceEditor } from "./space_editor.js";

/** Types of parameters whose names are the user's own, as the schemas of values that the editor knows. */
const FREE = { float: () => ({ type: "number" }), int: () => ({ type: "integer" }), choice: ({ values }) => ({ enum: values }) };

const ADOPTED = "The bounds that the range test adopted for the learning rate are not shown; they hold until you change it.";

const freeParameter = ({ name, entry }) =>
  ({ name, needs: {}, per_layer: false, schema: { ...FREE[entry.type](entry), default: null } });

/** The editors of space and constraints, filled with those of the job; `read()` gives the body of an edit. */
function editors(job, catalog) {
  const known = catalog.trainers.find(({ kind }) => kind === job.resolved_spec.trainer)?.hyperparameters ?? [];
  const parameters = currentSpace(job, catalog);
  const space = Object.fromEntries(parameters.map(({ name, entry }) => [name, entry]));
  const rows = spaceEditor(parameters.map((parameter) =>
    known.find(({ name }) => name === parameter.name) ?? freeParameter(parameter)), catalog.space, { isSearched: true });
  rows.setPreset({ space });
  rows.write({ space });
  const constraints = constraintsSection(catalog);
  constraints.write(job.spec);
  const [before, held] = [rows.read(), constraints.read()];
  const hint = job.resolved_spec.range_test?.adopt ? ADOPTED : null;
  const node = el("div", { class: "stack" }, group("Space", { path: "space", kind: "untitled", hint }, rows), constraints);
  node.read = () => {
    const changed = rows.read().map(({ name, parameter }, at) => [name, changeOf(parameters[at], before[at].parameter, parameter)])
      .filter(([, change]) => change !== undefined);
    const now = constraints.read();
    return { ...(changed.length ? { space: Object.fromEntries(changed) } : {}),
             ...(same(now, held) ? {} : { constraints: now.constraints ?? [] }) };
  };
  return node;
}

/** Whom an edit is for, or why there is nobody left. */
function whom({ state, progress }, begun) {
  if (JOB_ENDED.has(state)) return "The job has ended: no trial is drawn any more.";
  const planned = progress?.trials ?? 0;
  if (begun >= planned) return `All ${count(planned)} trials have begun: give the job more of them before.`;
  if (!begun) return `For all ${count(planned)} trials: none has begun.`;
  return `For the ${count(planned - begun)} of ${count(planned)} trials that have not begun. The others go on as they are.`;
}

/**
 * The button and the panel as `{button, form, set}`; `edit(body)` asks the service, and what it throws stands at the
 * fields that it names. `set(job, begun)` follows the job and how many of its trials have begun.
 */
export function spaceEdit(id, edit) {
  const button = el("button", { type: "button", "aria-expanded": "false" }, "Edit space");
  const about = el("p", { class: "muted" });
  const [slot, result] = [el("div"), el("div", { role: "status" })];
  const send = el("button", { type: "submit", class: "primary" }, "Apply to new trials");
  const discard = el("button", { type: "button" }, "Discard");
  const changes = el("span", { class: "muted small-text" });
  const form = el("form", { class: "edit-space panel", novalidate: true, hidden: true, "aria-label": "Edit space" },
    el("header", {}, el("h2", {}, "Edit space"), about), slot, result,
    el("div", { class: "edit-foot" }, send, discard, changes));
  let [fields, isOpen, isUseful, isBusy] = [null, false, false, false];

  const draw = () => {
    const body = fields?.read() ?? {};
    const named = [...Object.keys(body.space ?? {}).map(words), ...(body.constraints ? ["constraints"] : [])];
    setText(changes, named.length ? `Changes ${named.join(", ")}.` : fields ? "Nothing is changed yet." : "");
    send.disabled = isBusy || !isUseful || !named.length;
  };
  const show = (wanted) => {
    isOpen = wanted;
    form.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
    fields = null;
    slot.replaceChildren();
    result.replaceChildren();
    draw();
  };
  const open = async () => {
    show(true);
    slot.replaceChildren(el("p", { class: "muted", "aria-busy": "true" }, "Loading …"));
    try {
      const [job, catalog] = await Promise.all([api.job(id), api.catalog()]);
      if (!isOpen || fields) return;
      fields = editors(job, catalog);
      slot.replaceChildren(fields);
      fields.querySelector("select:enabled, input")?.focus();
    } catch (problem) {
      slot.replaceChildren(problemBox(problem));
    }
    draw();
  };
  const close = () => {
    show(false);
    button.focus();
  };
  const apply = async () => {
    const errors = brokenTexts(form);
    if (errors.length) return result.replaceChildren(showProblem(form, { errors }));
    isBusy = true;
    draw();
    try {
      await edit(fields.read());
      close();
    } catch (problem) {
      result.replaceChildren(showProblem(form, { message: problem.message, errors: problem.errors ?? [] }));
      if (!document.activeElement.matches("[aria-invalid]")) form.querySelector("[aria-invalid]")?.focus();
    }
    isBusy = false;
    draw();
  };
  button.addEventListener("click", () => (isOpen ? close() : open()));
  discard.addEventListener("click", close);
  form.addEventListener("input", ({ target }) => {
    for (let at = target.closest("[data-path]"); at; at = at.parentElement.closest("[data-path]")) setProblem(at, null);
    result.replaceChildren();
    draw();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!send.disabled) apply();
  });
  const set = (job, begun) => {
    const isLeft = !JOB_ENDED.has(job.state) && begun < (job.progress?.trials ?? 0);
    button.hidden = !job.takes_edits || !isLeft;
    setText(about, whom(job, begun));
    if (isLeft === isUseful) return;
    isUseful = isLeft;
    draw();
  };
  return { button, form, set };
}
