/** A space that was written for another tuner, pasted and translated by the service into a job that fills the form. */

import { api } from "../api.js";
import { el } from "../dom.js";
import { words } from "../format.js";
import { hintOf } from "../schema.js";
import { select } from "./controls.js";
import { field, setProblem } from "./fields.js";
import { fold } from "./parts.js";

/** What the job says otherwise than the document. */
const noteLine = ({ path, message }) => el("li", {}, path ? [el("code", {}, path), ": "] : null, message);

/** The section; `onJob(body)` hears the translated job. `formats` are those of the catalog: `[{kind, about, example}]`. */
export function importSection(formats, onJob) {
  const format = select([["", "recognised"], ...formats.map(({ kind }) => [kind, words(kind)])]);
  const text = el("textarea", { class: "mono", rows: 4, spellcheck: "false" });
  const holders = {
    format: field("Format", format, { path: "import.format", hint: "…" }),
    document: field("Document", text, { path: "import.document", hint: "JSON or YAML. It becomes a job that a program of yours trains." }),
  };
  const notes = el("ul", { class: "notes", "aria-live": "polite" });
  const send = el("button", { type: "button" }, "Import");
  const draw = () => {
    const chosen = formats.find(({ kind }) => kind === format.value);
    holders.format.querySelector(".hint").textContent = (chosen ? [chosen] : formats).map(({ about }) => hintOf({ description: about })).join(" ");
    text.placeholder = chosen ? JSON.stringify(chosen.example, null, 1) : "";
  };
  format.addEventListener("input", draw);
  draw();
  /** Put what was refused at the format, or with its place at the document; null takes it away. */
  const show = (problem) => {
    const errors = problem?.errors ?? [];
    const inDocument = errors.filter(({ path }) => path !== "format")
      .map(({ path, message }) => [path.replace(/^document\.?/, ""), message].filter(Boolean).join(": "));
    setProblem(holders.format, errors.find(({ path }) => path === "format")?.message ?? null);
    setProblem(holders.document, errors.length ? inDocument.join(" ") : problem?.message ?? null);
  };
  send.addEventListener("click", async () => {
    send.disabled = true;
    notes.replaceChildren();
    try {
      const { job, notes: said } = await api.importSpace(format.value || null, text.value);
      show(null);
      notes.replaceChildren(...said.map(noteLine));
      await onJob(job);
    } catch (problem) {
      show(problem);
      text.focus();
    }
    send.disabled = false;
  });
  const node = fold("Import from another tuner", () => 0, holders.format, holders.document, send, notes);
  for (const event of ["input", "change"]) node.addEventListener(event, (happened) => happened.stopPropagation()); // no job yet
  return node;
}
