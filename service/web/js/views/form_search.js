/** The form's section on what may vary: trainer, preset and space editor. */

import { el } from "../dom.js";
import { jsonBox, select } from "./controls.js";
import { field, schemaFields } from "./fields.js";
import { spaceEditor } from "./space_editor.js";

/**
 * Trainer, preset and space. `read()` gives `{trainer, preset, rows, outside}`, null for what the service does by itself;
 * `write(body)` takes a body. `outside` is there where trials are trained outside, `owns(holder)` says what it draws.
 */
export function searchSection(catalog) {
  const { trainers } = catalog;
  const trainer = select(trainers.map((item) => [item.kind, item.kind]), trainers[0].kind);
  const hint = el("p", { class: "muted small-text" });
  const slot = el("div", { class: "stack" });
  let space = null;
  const draw = () => {
    const chosen = trainers.find((item) => item.kind === trainer.value);
    hint.textContent = chosen.about;
    space = chosen.hyperparameters
      ? presetAndSpace(chosen, catalog.presets.filter((item) => item.trainer === chosen.kind), catalog.space)
      : outsideFields(chosen, catalog.job);
    slot.replaceChildren(space);
  };
  trainer.addEventListener("input", draw);
  draw();
  const node = el("div", { class: "stack" },
    el("div", { class: "preset" }, field("Trainer", trainer, { path: "trainer" }), hint), slot);
  node.read = () => ({ trainer: trainer.value === trainers[0].kind ? null : trainer.value, ...space.read() });
  node.write = (body) => {
    const wanted = body.trainer ?? trainers[0].kind;
    if (!trainers.some((item) => item.kind === wanted)) return;
    trainer.value = wanted;
    draw();
    space.write(body);
  };
  node.owns = (holder) => slot.contains(holder);
  return node;
}

/** What a job says in its own words where a program outside trains: names, values and laws are its own. */
function outsideFields({ says }, job) {
  const only = ["space", "fixed", "objective", "limits", "metrics"];
  const objective = (facts) => {
    const box = jsonBox(facts, job);
    box.placeholder = '{"name": "loss", "maximize": false}';
    return box;
  };
  const node = schemaFields(job, "", { only, widgets: { space: (facts) => jsonBox(facts, job), objective } });
  node.classList.add("wide");
  const { read } = node;
  node.read = () => ({ preset: null, rows: [], outside: { says: says.filter((name) => !only.includes(name)), values: read() } });
  return node;
}

/** The presets of one trainer and its hyperparameters. */
function presetAndSpace({ default_preset: first, hyperparameters }, presets, schema) {
  const preset = select([...presets.map((item) => [item.name, item.name]), ["", "none: only what is set below"]], first);
  const hint = el("p", { class: "muted small-text" });
  const editor = spaceEditor(hyperparameters, schema);
  const draw = () => {
    const chosen = presets.find((item) => item.name === preset.value);
    hint.textContent = chosen?.about ?? "";
    editor.setPreset(chosen ?? null);
  };
  preset.addEventListener("input", draw);
  draw();
  const node = el("div", { class: "stack" },
    el("div", { class: "preset" }, field("Preset", preset, { path: "preset" }), hint), editor);
  node.read = () => {
    const rows = editor.read();
    const isTouched = rows.some((row) => "fixed" in row || "parameter" in row);
    return { preset: isTouched || preset.value !== first ? preset.value : null, rows };
  };
  node.write = (body) => {
    const isAlone = [body.space, body.fixed].some((part) => Object.keys(part ?? {}).length);
    preset.value = body.preset ?? (isAlone ? "" : first);
    draw();
    editor.write(body);
  };
  return node;
}
