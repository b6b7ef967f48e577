/** The form for a new job: drawn from the catalog and the datasets, checked live by the service's own preview. */

import { api } from "../api.js";
import { el } from "../dom.js";
import { buildBody } from "../job_body.js";
import { budgetSection } from "./form_budget.js";
import { dataSection } from "./form_data.js";
import { previewPanel } from "./form_preview.js";
import { pluginPicker, searchSection } from "./form_search.js";
import { panel, problemBox } from "./parts.js";

function buildForm(main, catalog, datasets, wanted) {
  const changed = () => preview.check();
  const data = dataSection(datasets, wanted, changed);
  const search = searchSection(catalog);
  const algorithm = pluginPicker("algorithm", catalog.algorithms, "hyperopt");
  const scheduler = pluginPicker("scheduler", catalog.schedulers, "asha");
  const budget = budgetSection(catalog.metrics);
  const form = el("form", { class: "job-form", novalidate: true },
    panel("Data", {}, data), panel("What may vary", {}, search),
    panel("How to search", {}, el("div", { class: "columns tight" }, algorithm, scheduler)), panel("How far", {}, budget));
  const body = () => buildBody({
    ...data.read(), ...search.read(), algorithm: algorithm.read(), scheduler: scheduler.read(), ...budget.read(),
  });
  const preview = previewPanel(form, body);
  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    preview.submit();
  });
  main.replaceChildren(el("div", { class: "page-head" }, el("h1", {}, "New job")),
    el("div", { class: "form-columns" }, form, preview));
  preview.check();
}

/** Show the form in `main`; `query` may name a dataset. */
export function showNewJob(main, query) {
  main.append(el("div", { class: "loading", "aria-busy": "true" }, "Loading …"));
  Promise.all([api.catalog(), api.datasets()])
    .then(([catalog, datasets]) => buildForm(main, catalog, datasets.items, query?.get("dataset")))
    .catch((problem) => {
      if (!problem.status && problem.status !== 0) throw problem;
      main.replaceChildren(problemBox(problem));
    });
}
