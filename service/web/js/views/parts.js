/** Small pieces that several pages share: chips, progress, panels, problems. */

import { el, setText } from "../dom.js";
import { count } from "../format.js";

/** A state as a coloured chip; `set(state)` changes it. */
export function stateChip(state) {
  const node = el("span", { class: "chip" });
  node.set = (value) => {
    if (node.dataset.state === value) return;
    node.dataset.state = value;
    setText(node, value);
  };
  node.set(state);
  return node;
}

/** A progress bar with its numbers; `set(done, total)` changes it. */
export function progressBar(label) {
  const fill = el("span", { class: "fill" });
  const bar = el("span", { class: "track", role: "progressbar", "aria-label": label, "aria-valuemin": 0 }, fill);
  const text = el("span", { class: "progress-text num" });
  const node = el("span", { class: "progress" }, bar, text);
  node.set = (done, total) => {
    const share = total ? Math.min(done / total, 1) : 0;
    fill.style.transform = `scaleX(${share})`;
    bar.setAttribute("aria-valuemax", total || 1);
    bar.setAttribute("aria-valuenow", done ?? 0);
    setText(text, total ? `${count(done)} / ${count(total)}` : "–");
  };
  return node;
}

/** A titled panel; `more` stands at the right of its title. */
export function panel(title, { more = null, kind = "", level = "h2" } = {}, ...content) {
  return el("section", { class: `panel ${kind}` },
    el("header", { class: "panel-head" }, el(level, {}, title), more), content);
}

/** Fields that few need, folded away; the summary tells how many of them are set, which `count()` counts. */
export function fold(title, count, ...content) {
  const note = el("span", { class: "muted" });
  const node = el("details", { class: "fold" }, el("summary", {}, title, note), el("div", { class: "stack" }, content));
  const draw = () => setText(note, count() ? ` · ${count()} set` : "");
  for (const event of ["input", "change"]) node.addEventListener(event, draw);
  return node;
}

/** A problem's sentence and its field errors. */
export function problemBox(problem) {
  return el("div", { class: "problem", role: "alert" }, el("strong", {}, problem.message),
    problem.errors?.length
      ? el("ul", {}, problem.errors.map((error) =>
          el("li", {}, error.path ? el("code", {}, error.path) : null, error.path ? ": " : null, error.message)))
      : null);
}

/** A definition list from `[term, value]` pairs; values may be elements. */
export function facts(pairs) {
  return el("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined)
    .map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", { class: "num" }, value))));
}
