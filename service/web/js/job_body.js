/** From what the form holds to the body of `POST /v1/jobs`. Pure: no elements, no requests. */

/** A typed value: numbers, booleans, lists and objects as such, everything else as text; empty is nothing. */
export function typed(text) {
  const trimmed = String(text).trim();
  if (trimmed === "") return null;
  if (trimmed === "true" || trimmed === "false") return trimmed === "true";
  if (/^[[{"]/.test(trimmed)) return fromJson(trimmed);
  const value = Number(trimmed);
  return Number.isFinite(value) ? value : trimmed;
}

/** `relu, tanh` or `32, 64` as a list of typed values, or a list in JSON. */
export function typedList(text) {
  const whole = String(text).trim().startsWith("[") ? fromJson(text) : null;
  return Array.isArray(whole) ? whole : String(text).split(",").map(typed).filter((value) => value !== null);
}

/** The JSON of a text, or the text itself where it is none: the service says what is wrong with it. */
function fromJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function drop(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== ""));
}

/** The body of a submission. `settings` already says only what differs from the service's own defaults; its nulls count. */
export function buildBody(draft) {
  const of = (key) => Object.fromEntries(draft.rows.filter((row) => key in row).map((row) => [row.name, row[key]]));
  const [fixed, space] = [of("fixed"), of("parameter")];
  const body = drop({
    name: draft.name,
    dataset: draft.dataset,
    target: draft.target.length > 1 ? draft.target : draft.target[0],
    task: draft.task === "auto" ? null : draft.task,
    trainer: draft.trainer,
    preset: draft.preset,
  });
  if (Object.keys(fixed).length) body.fixed = fixed;
  if (Object.keys(space).length) body.space = space;
  if (draft.exclude.length) body.columns = { exclude: draft.exclude };
  return overlay(keepSaid(overlay(body, draft.settings), draft.outside), draft.more ?? {});
}

/** Of a job that is trained outside, only what such a job says, with its own values. */
function keepSaid(body, outside) {
  if (!outside) return body;
  return { ...Object.fromEntries(Object.entries(body).filter(([name]) => outside.says.includes(name))), ...outside.values };
}

/** `body` with `more` laid over it: objects name by name, everything else as a whole, null too. */
export function overlay(body, more) {
  const laid = { ...body };
  for (const [name, value] of Object.entries(more)) {
    const both = [laid[name], value].every((side) => side !== null && typeof side === "object" && !Array.isArray(side));
    laid[name] = both ? overlay(laid[name], value) : value;
  }
  return laid;
}

/**
 * What a table's own column says of its split: `{column, parts: {test, validation}}`, or null. Such a column bears a
 * telling name; values that name parts mark their rows, and else those of a `fold` column number folds.
 */
export function suggestSplit(columns) {
  const found = columns
    .filter((item) => item.classes?.length >= 2 && item.classes.length <= 20 && /^(split|part|folds?|set)$/i.test(item.name))
    .map((item) => ({ column: item.name, parts: markedParts(item) }));
  const marking = found.find(({ parts }) => Object.keys(parts).length);
  const folds = found.find(({ column }) => /^fold/i.test(column));
  if (marking || !folds) return marking ?? found[0] ?? null;
  return { column: folds.column, parts: { validation: { kind: "folds", column: folds.column } } };
}

function markedParts({ name, classes }) {
  const parts = {};
  for (const [part, pattern] of [["test", /test/i], ["validation", /val/i]]) {
    const values = classes.filter((value) => pattern.test(String(value)));
    if (values.length) parts[part] = { kind: "column", column: name, values };
  }
  return parts;
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
