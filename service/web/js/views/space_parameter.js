/**
 * A searched hyperparameter: its law and main values on one line, and whatever else the schema of its type offers (step,
 * default, condition, ...) folded away below.
 */

import { el } from "../dom.js";
import { sentence } from "../format.js";
import { describeProperty, deref, hintOf } from "../schema.js";
import { controlFor, select } from "./controls.js";
import { field } from "./fields.js";
import { fold } from "./parts.js";

/** How values are spread: what `log` says, and whether mean and sigma say the rest. */
const LAWS = {
  uniform: { log: false }, log: { log: true }, "reverse log": { log: "reverse" },
  normal: { log: false, isNormal: true }, "log-normal": { log: true, isNormal: true },
};
const MAIN = { choice: ["values", "weights"], even: ["low", "high"], normal: ["mean", "sigma"] };

const isGiven = (value) => value !== null && value !== undefined;

function lawOf({ log, mean, sigma }) {
  const isNormal = isGiven(mean) || isGiven(sigma);
  return Object.keys(LAWS).find((name) => LAWS[name].log === (log ?? false) && Boolean(LAWS[name].isNormal) === isNormal) ?? "uniform";
}

/** A select of laws, for a type that has them; `log` is read from it. */
function lawSelect(name) {
  const law = select(Object.keys(LAWS).map((key) => [key, key]), "uniform", { "aria-label": `${name}: law`, class: "law" });
  law.isNormal = () => Boolean(LAWS[law.value].isNormal);
  law.read = () => LAWS[law.value].log;
  law.write = (parameter) => (law.value = lawOf(parameter));
  return law;
}

/** Mean and sigma, where there are none yet: so that the range is two sigmas to each side. */
function suggestNormal({ low, high, mean, sigma }, isLog) {
  const ends = [low, high].map((end) => (isLog ? Math.log(end.read()) : end.read()));
  if (![low, high].every((end) => isGiven(end.read())) || !ends.every(Number.isFinite)) return;
  const short = (value) => Number(value.toPrecision(4));
  if (!isGiven(mean.read())) mean.write(short((ends[0] + ends[1]) / 2));
  if (!isGiven(sigma.read())) sigma.write(short((ends[1] - ends[0]) / 4));
}

/**
 * The editor `{line, more, read, write}` of one type. `space` is the catalog's schema of spaces; `isPerLayer` says whether
 * there may be one value for each layer.
 */
export function parameterEditor(name, type, space, isPerLayer) {
  const schema = deref({ $ref: space.additionalProperties.discriminator.mapping[type] }, space);
  const hidden = ["type", "log", ...(isPerLayer ? [] : ["per_layer"])];
  const facts = Object.fromEntries(Object.keys(schema.properties).filter((key) => !hidden.includes(key))
    .map((key) => [key, describeProperty(schema.properties[key], space)]));
  const names = Object.keys(facts).sort((left, right) => (facts[left].type === "object") - (facts[right].type === "object"));
  const controls = Object.fromEntries(names.map((key) => [key, controlFor(facts[key], space)]));
  const law = "log" in schema.properties ? lawSelect(name) : null;
  const line = el("div", { class: "row-inputs" });
  const grid = el("div", { class: "field-grid" });
  const isSet = (key) => {
    const value = controls[key].read();
    return isGiven(value) && value !== facts[key].default;
  };
  const main = () => MAIN[law ? (law.isNormal() ? "normal" : "even") : "choice"];
  const used = () => names.filter((key) => !law || law.isNormal() || !MAIN.normal.includes(key));
  const rest = () => used().filter((key) => !main().includes(key));
  const more = fold("more", () => rest().filter(isSet).length, grid);
  for (const key of names) controls[key].setAttribute("aria-label", `${name}: ${key === "values" ? "values, comma between" : key.replaceAll("_", " ")}`);

  const draw = () => {
    for (const key of main()) controls[key].placeholder = key;
    line.replaceChildren(...[law, ...main().map((key) => controls[key])].filter(Boolean));
    grid.replaceChildren(...rest().map((key) => field(sentence(key), controls[key], {
      path: `space.${name}.${key}`, hint: hintOf(facts[key], controls[key].nothing ?? "empty"),
      kind: facts[key].type === "boolean" ? "check" : "" })));
  };
  law?.addEventListener("input", () => {
    if (law.isNormal()) suggestNormal(controls, law.read());
    draw();
  });
  draw();
  return {
    line, more,
    read: () => ({ type, ...(law?.read() ? { log: law.read() } : {}),
      ...Object.fromEntries(used().filter(isSet).map((key) => [key, controls[key].read()])) }),
    write: (parameter) => {
      law?.write(parameter);
      for (const key of names) controls[key].write(key in parameter ? parameter[key] : facts[key].default);
      draw();
      more.dispatchEvent(new Event("input"));
    },
  };
}
