/** Datasets: bundled ones and uploads, with their columns. */

import { api } from "../api.js";
import { el, toast } from "../dom.js";
import { bytes, count, number } from "../format.js";
import { problemBox } from "./parts.js";
import { uploadBox } from "./upload.js";

function columnsTable(columns) {
  const head = ["column", "kind", "missing", "distinct", "range or examples"];
  return el("div", { class: "table-box" }, el("table", {},
    el("thead", {}, el("tr", {}, head.map((text) => el("th", { scope: "col", class: "plain" }, text)))),
    el("tbody", {}, columns.map((column) => el("tr", {},
      el("td", { class: "strong" }, column.name), el("td", {}, column.kind), el("td", { class: "num" }, count(column.missing)),
      el("td", { class: "num" }, count(column.cardinality)), el("td", { class: "muted" }, describeRange(column)))))));
}

function describeRange(column) {
  if (column.kind === "numeric" && column.minimum !== null && column.minimum !== undefined) {
    return `${number(column.minimum)} to ${number(column.maximum)}`;
  }
  if (column.kind === "date" && column.minimum) {
    return `${column.minimum} to ${column.maximum}`;
  }
  return (column.examples ?? []).slice(0, 4).map((value) => String(value)).join(", ");
}

function datasetRow(dataset, onDelete) {
  const body = el("div", { class: "dataset-body" });
  const node = el("details", { class: "panel dataset" },
    el("summary", {}, el("strong", {}, dataset.name), el("span", { class: "muted small-text" }, factsOf(dataset))), body);
  let loaded = false;
  node.addEventListener("toggle", async () => {
    if (!node.open || loaded) return;
    loaded = true;
    try {
      const full = await api.dataset(dataset.id);
      body.replaceChildren(
        el("div", { class: "actions" }, el("a", { class: "button small primary", href: `#/new?dataset=${encodeURIComponent(dataset.id)}` }, "New job"),
          dataset.bundled ? null : el("button", { type: "button", class: "small danger", onclick: () => onDelete(dataset, node) }, "Delete")),
        columnsTable(full.columns));
    } catch (problem) {
      loaded = false;
      body.replaceChildren(problemBox(problem));
    }
  });
  return node;
}

function factsOf(dataset) {
  return [dataset.bundled ? "bundled" : dataset.format, `${count(dataset.rows)} rows`,
    `${dataset.n_columns} columns`, dataset.n_bytes ? bytes(dataset.n_bytes) : null].filter(Boolean).join(" · ");
}

async function remove(dataset, node) {
  if (!window.confirm(`Delete the dataset ${dataset.name}?`)) return;
  try {
    await api.deleteDataset(dataset.id);
    node.remove();
  } catch (problem) {
    toast(problem.message, "bad");
  }
}

/** Show the datasets in `main`. */
export function showDatasets(main) {
  const list = el("div", { class: "dataset-list", "aria-busy": "true" });
  const load = async () => {
    try {
      const page = await api.datasets();
      list.replaceChildren(...page.items.map((dataset) => datasetRow(dataset, remove)));
    } catch (problem) {
      list.replaceChildren(problemBox(problem));
    }
    list.removeAttribute("aria-busy");
  };
  main.append(el("div", { class: "page-head" }, el("h1", {}, "Datasets")), uploadBox(load), list);
  load();
}
