/** The form's data section: dataset (or upload), target, features left out and task. */

import { api } from "../api.js";
import { el } from "../dom.js";
import { count } from "../format.js";
import { suggestSplit } from "../job_body.js";
import { chosenOf, fillSeveral, select } from "./controls.js";
import { field } from "./fields.js";
import { uploadBox } from "./upload.js";

const TASKS = [["auto", "automatic"], ["regression", "regression"], ["binary", "binary classification"], ["multiclass", "multiclass classification"], ["multilabel", "multilabel classification"]];

function datasetLabel(dataset) {
  return `${dataset.name} (${count(dataset.rows)} rows${dataset.bundled ? ", bundled" : ""})`;
}

const pairs = (names) => names.map((name) => [name, name]);

/**
 * The section. The columns of a loaded dataset go into the observable `table`, and `changed()` hears of it; `write(body)`
 * ends when those of the body's dataset are there.
 */
export function dataSection(datasets, wanted, table, changed) {
  const name = el("input", { type: "text", maxlength: 200, placeholder: "named after its dataset", autocomplete: "off" });
  const dataset = select(datasets.map((item) => [item.id, datasetLabel(item)]), wanted ?? datasets[0]?.id);
  const target = el("select", { multiple: true, size: 4 });
  const exclude = el("select", { multiple: true, size: 4 });
  const task = select(TASKS, "auto");

  let nLoads = 0;
  const load = async (chosen) => {
    const [id, mine] = [dataset.value, ++nLoads];
    if (!id) return;
    const full = await api.dataset(id).catch((problem) => {
      if (problem.status !== 404) throw problem;
      return { columns: [], target: null }; // it was deleted: the preview says so
    });
    if (mine !== nLoads) return; // another one was chosen meanwhile
    const names = full.columns.map((column) => column.name);
    table.set(full.columns);
    const marking = suggestSplit(full.columns)?.column;
    const likely = names.filter((name) => name !== marking); // by habit the target comes last
    fillSeveral(target, pairs(names), [chosen?.target ?? full.target ?? likely.slice(-1)].flat());
    fillSeveral(exclude, pairs(names), chosen?.columns?.exclude);
    changed();
  };
  dataset.addEventListener("change", () => load());
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
    el("div", { class: "field-grid wide" }, field("Task", task, { path: "task" })));
  node.read = () => ({
    name: name.value.trim(), dataset: dataset.value, target: chosenOf(target), task: task.value,
    exclude: chosenOf(exclude),
  });
  node.write = async (body) => {
    name.value = body.name ?? "";
    task.value = body.task ?? "auto";
    if (!body.dataset) return;
    if (!datasets.some((item) => item.id === body.dataset)) dataset.append(el("option", { value: body.dataset }, body.dataset));
    dataset.value = body.dataset;
    await load(body);
  };
  load();
  return node;
}
