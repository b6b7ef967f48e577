/** The form filled from a body: a job that is cloned, or a document of another tool; and what it has no field for. */

import { el } from "../dom.js";
import { leftOver } from "../schema.js";
import { jsonBox } from "./controls.js";
import { field } from "./fields.js";
import { fold } from "./parts.js";

/** Fields of a body that the form cannot show, as JSON that is laid over the rest. `read()` gives `{more}`. */
export function restSection({ job }) {
  const box = jsonBox({ type: "object", default: {} }, job);
  box.placeholder = '{"space": {"gradient_clip": {"type": "int", "low": 1, "high": 9}}}';
  box.rows = 4;
  const valid = () => (box.trouble() ? {} : box.read());
  const trouble = box.trouble;
  box.trouble = () => trouble() ?? (isObject(box.read()) ? null : "This is no JSON object.");
  const node = fold("Anything else, as JSON", () => Object.keys(valid()).length,
    field("Fields", box, { path: "more", hint: "Laid over the fields above: objects name by name, everything else as a whole." }));
  node.read = () => ({ more: valid() });
  node.write = (more) => box.write(more);
  return node;
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

const OWN = ["more", "import"]; // paths of the form itself

/** Hide what a job does not say that is trained outside; `space` is the section that draws what it says itself. */
export function showSaid(form, space) {
  const says = space.read().outside?.says;
  const isSaid = (holder) => !says || space.owns(holder) || [...OWN, ...says].includes(holder.dataset.path.split(".")[0]);
  const holders = [...form.querySelectorAll("[data-path]")];
  for (const holder of holders) holder.hidden = !isSaid(holder);
  for (const around of form.querySelectorAll("details.fold, section.panel, .columns")) {
    around.hidden = holders.some((holder) => around.contains(holder)) && !holders.some((holder) => around.contains(holder) && !holder.hidden);
  }
}

/**
 * Fill the sections with `wanted`, a body, so that `body()` means the same; `sections` are in the order of the form, the
 * first ends when the dataset is there. What no field can hold goes into `rest`.
 */
export async function fillForm(form, sections, rest, wanted, body, job) {
  const [data, ...others] = sections;
  await data.write(wanted);
  for (const section of others) section.write(wanted);
  const { parent, ...said } = wanted;
  rest.write(leftOver(said, body(), job, job) ?? {});
  for (const node of form.querySelectorAll("details.fold")) node.dispatchEvent(new Event("input"));
  if (Object.keys(rest.read().more).length) rest.open = true;
}
