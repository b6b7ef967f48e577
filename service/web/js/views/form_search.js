/** The form's sections on the space and on plug-ins: preset, space editor, algorithm and scheduler with their settings. */

import { el } from "../dom.js";
import { field, schemaFields, select } from "./fields.js";
import { spaceEditor } from "./space_editor.js";

/** Preset and space. `read()` gives `{preset, rows}`. */
export function searchSection(catalog) {
  const presets = catalog.presets;
  const preset = select([...presets.map((item) => [item.name, item.name]), ["", "none: only what is set below"]], presets[0]?.name);
  const hint = el("p", { class: "muted small-text" });
  const editor = spaceEditor(catalog.hyperparameters);
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
    const touched = rows.some((row) => row.mode !== "preset");
    return { preset: touched || preset.value !== presets[0]?.name ? preset.value : null, rows };
  };
  return node;
}

/** A select of plug-ins with the settings of the chosen one. `read()` gives `{kind, ...}`. */
export function pluginPicker(path, plugins, first) {
  const kinds = plugins.map((plugin) => plugin.kind);
  const choice = select(kinds.map((kind) => [kind, kind]), kinds.includes(first) ? first : kinds[0]);
  const about = el("p", { class: "hint" });
  const slot = el("div");
  const forms = new Map();
  const draw = () => {
    const plugin = plugins.find((item) => item.kind === choice.value);
    if (!forms.has(plugin.kind)) forms.set(plugin.kind, schemaFields(plugin.schema, path));
    about.textContent = plugin.about ?? "";
    slot.replaceChildren(forms.get(plugin.kind));
  };
  choice.addEventListener("input", draw); // before the form hears of it;
  draw();
  const node = el("div", { class: "stack" }, field(path[0].toUpperCase() + path.slice(1), choice, { path }), about, slot);
  node.read = () => ({ kind: choice.value, ...forms.get(choice.value).read() });
  return node;
}
