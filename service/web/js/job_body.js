/** From what the form holds to the body of `POST /v1/jobs`. Pure: no elements, no requests. */

/** Epochs without progress after which the service stops a trial by itself. */
export const DEFAULT_PATIENCE = 10;

/** A typed value: numbers and booleans as such, everything else as text; empty is nothing. */
export function typed(text) {
  const trimmed = String(text).trim();
  if (trimmed === "") return null;
  if (trimmed === "true" || trimmed === "false") return trimmed === "true";
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : trimmed;
}

/** `relu, tanh` or `32, 64` as a list of typed values. */
export function typedList(text) {
  return String(text).split(",").map(typed).filter((value) => value !== null);
}

/** One hyperparameter's row of the space editor as a parameter, `{fixed: value}`, or null for its default. */
export function parameterOf(row) {
  if (row.mode === "fixed") return { fixed: typed(row.value) };
  if (row.mode === "choice") return { type: "choice", values: typedList(row.values) };
  if (row.mode === "float" || row.mode === "int") {
    const parameter = { type: row.mode, low: typed(row.low), high: typed(row.high) };
    if (row.log) parameter.log = true;
    if (row.per_layer) parameter.per_layer = true;
    return parameter;
  }
  return null;
}

function drop(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== ""));
}

function splitSpace(rows) {
  const [fixed, space] = [{}, {}];
  for (const row of rows) {
    const parameter = parameterOf(row);
    if (!parameter) continue;
    if ("fixed" in parameter) fixed[row.name] = parameter.fixed;
    else space[row.name] = parameter;
  }
  return { fixed, space };
}

/** The body of a submission: only what differs from the service's own defaults. */
export function buildBody(draft) {
  const { fixed, space } = splitSpace(draft.rows);
  const body = drop({
    name: draft.name,
    dataset: draft.dataset,
    target: draft.target.length > 1 ? draft.target : draft.target[0],
    task: draft.task === "auto" ? null : draft.task,
    preset: draft.preset,
    objective: draft.objective,
    range_test: draft.range_test,
    seed: draft.seed,
  });
  if (draft.exclude.length) body.columns = { exclude: draft.exclude };
  if (Object.keys(fixed).length) body.fixed = fixed;
  if (Object.keys(space).length) body.space = space;
  const split = buildSplit(draft);
  if (split) body.split = split;
  if (draft.algorithm) body.algorithm = draft.algorithm;
  if (draft.scheduler) body.scheduler = draft.scheduler;
  const budget = drop(draft.budget);
  if (Object.keys(budget).length) body.budget = budget;
  if (draft.patience !== DEFAULT_PATIENCE) body.early_stopping = draft.patience === null ? null : { patience: draft.patience };
  return body;
}

function buildSplit(draft) {
  if (!draft.split_column) return null;
  const part = (values) => ({ kind: "column", column: draft.split_column, values });
  return drop({
    test: draft.test_values.length ? part(draft.test_values) : null,
    validation: draft.valid_values.length ? part(draft.valid_values) : null,
  });
}

/**
 * The longest of `paths` that a problem's path lies in or above: `space.learning_rate.low` finds the field of that
 * name, or the row `space.learning_rate`, or nothing (null).
 */
export function nearestPath(path, paths) {
  const wanted = String(path ?? "").replaceAll(/\[(\d+)\]/g, ".$1").replace(/^body\./, "").split(".");
  for (let length = wanted.length; length > 0; length--) {
    const prefix = wanted.slice(0, length).join(".");
    const found = paths.find((candidate) => candidate === prefix)
      ?? (length === wanted.length ? paths.find((candidate) => candidate.startsWith(`${prefix}.`)) : undefined);
    if (found) return found;
  }
  return null;
}
