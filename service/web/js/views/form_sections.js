/**
 * The form's sections that are drawn from the job's JSON schema: how trials are scored, what holds a search, how to
 * search, how far, what is kept. Each element's `read()` gives the part of the body that differs from the service's
 * defaults, and `write(body)` takes a body.
 */

import { el } from "../dom.js";
import { hintOf } from "../schema.js";
import { linesBox, severalSelect } from "./controls.js";
import { objectFields, optionalFields, schemaFields, variantPicker } from "./fields.js";
import { limitsField, objectiveField } from "./form_aims.js";
import { metricBoxes, metricSelect } from "./form_metrics.js";
import { splitFields } from "./form_split.js";
import { fold } from "./parts.js";

function section(pieces, ...content) {
  const node = el("div", { class: "stack" }, content);
  node.read = () => Object.assign({}, ...pieces.map((piece) => piece.read()));
  node.write = (body) => pieces.forEach((piece) => piece.write(body));
  return node;
}

const nSaid = (...pieces) => pieces.reduce((sum, piece) => sum + Object.keys(piece.read()).length, 0);

/** Split, objectives, limits, further metrics, repeats and refit. `table` and `task` are observable. */
export function scoringSection(catalog, table, task) {
  const { job, metrics } = catalog;
  const split = splitFields(job, table);
  const aims = [objectiveField(catalog, task), limitsField(catalog, task)];
  const plain = schemaFields(job, "", { only: ["repeats", "refit"] });
  plain.classList.add("wide");
  const boxes = metricBoxes(metrics, task);
  const more = () => Number(split.stopping.differs()) + nSaid(split.seed);
  return section([split, ...aims, plain, boxes],
    el("div", { class: "columns tight" }, split.validation, split.test), el("div", { class: "columns tight" }, aims), plain,
    fold("Further metrics", () => boxes.read().metrics?.length, boxes),
    fold("Stopping rows, seed of the split", more, el("div", { class: "columns tight" }, split.stopping, split.seed)));
}

/** Which columns are features and how they are read, and the job's labels. `table` is observable. */
export function columnsSection({ job }, table) {
  const widgets = {
    include: () => {
      const node = severalSelect(() => table.get().map(({ name }) => [name, name]), null);
      table.follow(() => node.write(node.read()));
      return node;
    },
  };
  const columns = objectFields("columns", job, { only: ["include", "kinds"], widgets });
  columns.classList.add("wide");
  const labels = schemaFields(job, "", { only: ["labels"] });
  labels.classList.add("wide");
  return section([columns, labels],
    fold("Kinds of columns, labels", () => nSaid(labels) + Object.keys(columns.read().columns ?? {}).length, columns, labels));
}

/** What every point satisfies. */
export function constraintsSection({ job }) {
  const lines = schemaFields(job, "", { only: ["constraints"], widgets: { constraints: (facts) => linesBox(facts, job) } });
  lines.classList.add("wide");
  return section([lines], fold("Constraints", () => lines.read().constraints?.length, lines));
}

/** A plug-in of the catalog, or what the service chooses by itself. */
function plugin(label, name, plugins, job) {
  const about = hintOf(job.properties[name], "automatic");
  const node = variantPicker(label, name, plugins, { first: "", none: "automatic", about });
  const { read, write } = node;
  node.read = () => (read() ? { [name]: read() } : {});
  node.write = (body) => write(body[name]);
  return node;
}

/** Algorithm, scheduler, range test, first trials and the schedule of a job that searches nothing. `jobs` are earlier ones. */
export function searchPlugins({ job, algorithms, schedulers }, jobs) {
  const algorithm = plugin("Algorithm", "algorithm", algorithms, job);
  const scheduler = plugin("Scheduler", "scheduler", schedulers, job);
  const range = optionalFields("range_test", job);
  const named = jobs.map(({ id, name }) => [id, name && name !== id ? `${name} · ${id}` : id]);
  const warm = optionalFields("warm_start", job, { jobs: () => severalSelect(() => named) });
  const first = schemaFields(job, "", { only: ["points", "start_from_default"] });
  const more = schemaFields(job, "", { only: ["parallelism", "dedupe"] });
  const schedule = schemaFields(job, "", { only: ["schedule"] });
  warm.querySelector(".field-grid").classList.add("wide");
  for (const node of [first, more, schedule]) node.classList.add("wide");
  return section([algorithm, scheduler, range, first, warm, more, schedule],
    el("div", { class: "columns tight" }, algorithm, scheduler), range,
    fold("First trials: given points, earlier jobs", () => nSaid(first, warm), first, warm),
    fold("Parallelism, points that come again", () => nSaid(more), more),
    fold("A schedule instead of a search", () => nSaid(schedule), schedule));
}

/** Budget, seed, failures and early stopping. */
export function budgetSection({ job, metrics }, task) {
  const budget = objectFields("budget", job);
  const plain = schemaFields(job, "", { only: ["max_failed_trials", "retries", "seed"] });
  const stopping = optionalFields("early_stopping", job, { metric: () => metricSelect(metrics, task) });
  budget.append(...plain.children);
  return section([budget, plain, stopping], budget, stopping);
}

/** Which models are stored, and the ensemble. */
export function keptSection({ job }) {
  const plain = schemaFields(job, "", { only: ["keep_models", "contenders"] });
  const ensemble = optionalFields("ensemble", job);
  return section([plain, ensemble], plain, ensemble);
}
