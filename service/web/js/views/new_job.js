/**
 * The form for a new job: drawn from the catalog and the datasets, checked live by the service's own preview. It begins
 * empty, or filled with the spec of a job that is cloned.
 */

import { api } from "../api.js";
import { el, observable } from "../dom.js";
import { buildBody } from "../job_body.js";
import { dataSection } from "./form_data.js";
import { fillForm, restSection, showSaid } from "./form_fill.js";
import { importSection } from "./form_import.js";
import { previewPanel } from "./form_preview.js";
import { searchSection } from "./form_search.js";
import { budgetSection, columnsSection, constraintsSection, keptSection, scoringSection, searchPlugins } from "./form_sections.js";
import { panel, problemBox } from "./parts.js";

/** The job's task for lists of metrics: as chosen, or as the service told of this target before; else null. */
function followTask(task, body) {
  let told = {};
  const target = (of) => JSON.stringify([of.dataset, of.target]);
  return {
    hear: (plan, of) => {
      told = { [target(of)]: plan.task };
      task.set(plan.task);
    },
    guess: () => task.set(body().task ?? told[target(body())] ?? null),
  };
}

/** The spec of a job as a clone of it begins: by its present name and labels, and with it as the parent. */
function specOf({ id, name, labels, spec }) {
  const own = { ...("name" in spec ? { name } : {}), ...(Object.keys(labels).length ? { labels } : {}) };
  return { ...spec, ...own, parent: id };
}

function heading(parent) {
  const link = parent && el("a", { class: "parent", href: `#/jobs/${encodeURIComponent(parent.id)}` }, parent.name || parent.id);
  return el("div", { class: "page-head" },
    el("div", {}, parent ? el("p", { class: "crumbs" }, "Clone of ", link) : null, el("h1", {}, "New job")));
}

function buildForm(main, { catalog, datasets, jobs, wanted, parent }) {
  const [table, task] = [observable([]), observable(null)];
  const changed = () => {
    showSaid(form, space);
    tasks.guess();
    preview.check();
  };
  const data = dataSection(datasets, wanted, table, changed);
  const columns = columnsSection(catalog, table);
  const scoring = scoringSection(catalog, table, task);
  const space = searchSection(catalog);
  const constraints = constraintsSection(catalog);
  const search = searchPlugins(catalog, jobs);
  const budget = budgetSection(catalog, task);
  const kept = keptSection(catalog);
  const rest = restSection(catalog);
  const foreign = importSection(catalog.imports, (job) => fill(job));
  const form = el("form", { class: "job-form", novalidate: true },
    panel("Data", {}, data, columns), panel("How trials are scored", {}, scoring),
    panel("What may vary", {}, space, constraints, foreign), panel("How to search", {}, search), panel("How far", {}, budget),
    panel("What is kept", {}, kept), el("section", { class: "panel" }, rest));
  const settings = [columns, scoring, constraints, search, budget, kept];
  const body = () => buildBody({
    ...data.read(), ...space.read(), ...rest.read(),
    settings: Object.assign(parent ? { parent: parent.id } : {}, ...settings.map((section) => section.read())),
  });
  const tasks = followTask(task, body);
  const preview = previewPanel(form, body, tasks.hear);
  form.addEventListener("input", changed);
  form.addEventListener("change", changed);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    preview.submit();
  });
  main.replaceChildren(heading(parent), el("div", { class: "form-columns" }, form, preview));
  changed();
  const fill = (spec) => fillForm(form, [data, space, ...settings], rest, spec, body, catalog.job).then(changed);
  if (parent) fill(specOf(parent));
}

/** Show the form in `main`; `query` may name a dataset, or `from`, the job to clone. */
export function showNewJob(main, query) {
  const from = query?.get("from");
  main.append(el("div", { class: "loading", "aria-busy": "true" }, "Loading …"));
  Promise.all([api.catalog(), api.datasets(), api.jobs(), from ? api.job(from) : null])
    .then(([catalog, datasets, jobs, parent]) =>
      buildForm(main, { catalog, datasets: datasets.items, jobs: jobs.items, wanted: query?.get("dataset"), parent }))
    .catch((problem) => {
      if (!problem.status && problem.status !== 0) throw problem;
      main.replaceChildren(problemBox(problem));
    });
}
