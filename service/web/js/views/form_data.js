/** The form's data section: dataset (or upload), target, features left out, task and split. */

import { api } from "../api.js";
import { el } from "../dom.js";
import { count } from "../format.js";
import { field, select } from "./fields.js";
import { uploadBox } from "./upload.js";

const TASKS = [["auto", "automatic"], ["regression", "regression"], ["binary", "binary classification"], ["multiclass", "multiclass classification"], ["multilabel", "multilabel classification"]];

function datasetLabel(dataset) {
  return `${dataset.name} (${count(dataset.rows)} rows${dataset.bundled ? ", bundled" : ""})`;
}

function fillOptions(control, names, chosen = []) {
  control.replaceChildren(...names.map((name) => el("option", { value: name, selected: chosen.includes(name) }, name)));
}

const chosenOf = (control) => [...control.selectedOptions].map((option) => option.value);

function splitFields() {
  const column = el("select", {});
  const [test, valid] = [el("select", { multiple: true }), el("select", { multiple: true })];
  const values = el("div", { class: "field-grid", hidden: true },
    field("Test rows are", test, { path: "split.test" }), field("Validation rows are", valid, { path: "split.validation" }));
  let columns = [];
  const drawValues = () => {
    const found = columns.find((item) => item.name === column.value);
    values.hidden = !found;
    const names = (found?.classes ?? []).map((value) => JSON.stringify(value));
    for (const [control, guess] of [[test, /test/i], [valid, /val/i]]) {
      control.replaceChildren(...names.map((value) =>
        el("option", { value, selected: guess.test(value) }, String(JSON.parse(value)))));
    }
  };
  column.addEventListener("input", drawValues);
  const node = el("div", {},
    field("Split", column, { path: "split", hint: "At random: 20 % test, then 20 % of the rest for validation." }), values);
  node.setColumns = (all) => {
    columns = all.filter((item) => item.classes?.length >= 2 && item.classes.length <= 20);
    const likely = columns.find((item) => /^(split|part|fold|set)$/i.test(item.name));
    column.replaceChildren(el("option", { value: "" }, "at random"),
      ...columns.map((item) => el("option", { value: item.name, selected: item === likely }, `by column ${item.name}`)));
    drawValues();
  };
  node.column = () => column.value;
  node.read = () => ({
    split_column: column.value || null,
    test_values: chosenOf(test).map((value) => JSON.parse(value)),
    valid_values: chosenOf(valid).map((value) => JSON.parse(value)),
  });
  return node;
}

/** The section; `changed()` hears a loaded dataset. */
export function dataSection(datasets, wanted, changed) {
  const name = el("input", { type: "text", maxlength: 200, placeholder: "named after its dataset", autocomplete: "off" });
  const dataset = select(datasets.map((item) => [item.id, datasetLabel(item)]), wanted ?? datasets[0]?.id);
  const target = el("select", { multiple: true, size: 4 });
  const exclude = el("select", { multiple: true, size: 4 });
  const task = select(TASKS, "auto");
  const split = splitFields();

  const load = async () => {
    const id = dataset.value;
    if (!id) return;
    const full = await api.dataset(id);
    if (id !== dataset.value) return; // another one was chosen meanwhile
    const names = full.columns.map((column) => column.name);
    const known = full.target ?? null;
    split.setColumns(full.columns);
    const likely = names.filter((name) => name !== split.column()); // by habit the target comes last
    fillOptions(target, names, known ? [known].flat() : likely.slice(-1));
    fillOptions(exclude, names);
    changed();
  };
  dataset.addEventListener("change", load);
  const upload = uploadBox((stored) => {
    dataset.append(el("option", { value: stored.id }, datasetLabel(stored)));
    dataset.value = stored.id;
    load();
  });
  const node = el("div", { class: "stack" },
    field("Name", name, { path: "name" }),
    el("div", { class: "columns tight" }, field("Dataset", dataset, { path: "dataset" }), upload),
    el("div", { class: "field-grid wide" },
      field("Target", target, { path: "target", hint: "Several with Ctrl or ⌘." }),
      field("Columns left out", exclude, { path: "columns.exclude", hint: "None chosen: all others are features." })),
    el("div", { class: "field-grid wide" }, field("Task", task, { path: "task" }), split));
  node.read = () => ({
    name: name.value.trim(), dataset: dataset.value, target: chosenOf(target), exclude: chosenOf(exclude), task: task.value,
    ...split.read(),
  });
  load();
  return node;
}
