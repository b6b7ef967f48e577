/** Which rows test, validate and stop: the parts of `split`, with the columns of the chosen dataset to name. */

import { el } from "../dom.js";
import { suggestSplit } from "../job_body.js";
import { describeProperty, hintOf, variantsOf } from "../schema.js";
import { select } from "./controls.js";
import { schemaFields, variantPicker } from "./fields.js";

/** A select of the table's columns. */
function columnSelect(table, facts) {
  const nothing = facts.nullable ? "none" : "choose a column";
  const node = select([["", nothing]]);
  node.write = (name) => {
    const names = table.get().map((column) => column.name);
    node.replaceChildren(el("option", { value: "" }, nothing), ...names.map((item) => el("option", { value: item }, item)));
    node.value = names.includes(name) ? name : "";
  };
  table.follow(() => node.write(node.value));
  node.read = () => node.value || (facts.nullable ? null : undefined);
  node.nothing = nothing;
  return node;
}

/** Several of the values that the column chosen in `column` holds. */
function valueSelect(table, column) {
  const node = el("select", { multiple: true, size: 4 });
  let drawn = null;
  node.write = (values) => {
    const chosen = values.map((value) => JSON.stringify(value));
    const found = table.get().find((item) => item.name === column.value);
    drawn = found;
    node.replaceChildren(...(found?.classes ?? []).map((value) => JSON.stringify(value)).map((value) =>
      el("option", { value, selected: chosen.includes(value) }, String(JSON.parse(value)))));
  };
  const follow = () => {
    if (drawn !== table.get().find((item) => item.name === column.value)) node.write([]);
  };
  column.addEventListener("input", follow);
  table.follow(follow);
  node.read = () => [...node.selectedOptions].map((option) => JSON.parse(option.value));
  return node;
}

/** One part of the split. `suggest(part, names)` takes what the table itself says, or drops a column that is not there. */
function partPicker(label, name, split, job, widgets) {
  const property = split.properties[name];
  const variants = variantsOf(property, job);
  const byDefault = property.default?.kind ?? "";
  const node = variantPicker(label, `split.${name}`, variants, {
    first: byDefault, none: describeProperty(property, job).nullable ? "none" : null, root: job, widgets,
    about: hintOf(property, "none"),
  });
  node.suggest = (part, names) => {
    const now = node.read();
    const needsColumn = variants.find((variant) => variant.kind === now?.kind)?.schema.properties.column;
    if (part) node.write(part);
    else if (needsColumn && !names.includes(now.column)) node.write({ kind: byDefault });
  };
  node.differs = () => {
    const now = node.read();
    return (now?.kind ?? "") !== byDefault || Object.keys(now ?? {}).length > 1;
  };
  return node;
}

/**
 * The parts of the split as `{validation, test, stopping, seed}`, elements each; `read()` gives `{split}` where it
 * differs from the default, `write(body)` takes it. `table` is the observable list of the dataset's columns.
 */
export function splitFields(job, table) {
  const split = describeProperty(job.properties.split, job);
  const widgets = {
    column: (facts) => columnSelect(table, facts),
    group: (facts) => columnSelect(table, facts),
    values: (_, siblings) => valueSelect(table, siblings.column),
  };
  const parts = {
    validation: partPicker("Validation rows", "validation", split, job, widgets),
    test: partPicker("Test rows", "test", split, job, widgets),
    stopping: partPicker("Stopping rows", "stopping", split, job, widgets),
  };
  const seed = schemaFields(split, "split", { root: job, only: ["seed"] });
  table.follow((columns) => {
    const suggested = suggestSplit(columns)?.parts ?? {};
    for (const [name, part] of Object.entries(parts)) part.suggest(suggested[name], columns.map((column) => column.name));
  });
  const read = () => {
    const said = Object.entries(parts).filter(([, part]) => part.differs()).map(([name, part]) => [name, part.read()]);
    const values = { ...Object.fromEntries(said), ...seed.read() };
    return Object.keys(values).length ? { split: values } : {};
  };
  const write = (body) => {
    const said = body.split ?? {};
    for (const [name, part] of Object.entries(parts)) part.write(name in said ? said[name] : split.properties[name].default);
    seed.write(said);
  };
  return { ...parts, seed, read, write };
}
