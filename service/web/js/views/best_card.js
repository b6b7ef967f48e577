/** The best model of a job: metrics, how sure they are, downloads, a small form that predicts; and its ensemble. */

import { api, downloadUrl } from "../api.js";
import { debounce, el, setText } from "../dom.js";
import { bytes, confidence, number, words } from "../format.js";
import { bestModel, ensembleOf } from "../state.js";
import { panel, problemBox } from "./parts.js";
import { predictForm } from "./predict_form.js";

function metricsTable(model) {
  const test = model.test_metrics ?? null;
  const names = [...new Set([...Object.keys(model.metrics ?? {}), ...Object.keys(test ?? {})])];
  return el("table", { class: "metrics" },
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "metric"), el("th", { scope: "col" }, "validation"),
      test ? el("th", { scope: "col" }, "test") : null)),
    el("tbody", {}, names.map((name) => el("tr", {}, el("th", { scope: "row" }, words(name)),
      el("td", { class: "num" }, number(model.metrics?.[name])),
      test ? el("td", { class: "num" }, number(test[name])) : null))));
}

function downloads(model) {
  const formats = model.formats ?? ["package", "safetensors"];
  return el("div", { class: "downloads" }, formats.map((format) =>
    el("a", { class: "button small", href: downloadUrl(model.id, format), download: true },
      `Download ${format}`, format === "package" && model.n_bytes ? el("span", { class: "muted" }, bytes(model.n_bytes)) : null)));
}

/** The score with its interval, and what is left of it once the luck of having been chosen is taken away. */
function confidenceLine(model) {
  const told = model.confidence;
  if (!told) return null;
  const drawn = told.kin ? `${told.kin} groups or stretches of time of ${told.rows}` : told.rows;
  const source = told.folds ? `Scores of ${told.folds} folds` : `Bootstrap over ${drawn} validation rows`;
  const about = source + (told.corrected === null ? "."
    : `; after selection: what a network chosen from ${told.rivals} like this one scores on rows that did not choose it.`);
  const of = model.origin === "refit" ? ", before it was trained once more on all rows but the test rows" : "";
  return el("p", { class: "confidence", title: about }, el("strong", {}, words(told.metric)), ` ${confidence(told)}${of}`);
}

function ensembleSection(model) {
  const networks = (model.members ?? []).map((member) => `trial ${member.trial} ${number(100 * member.share, 3)} %`);
  return el("section", { class: "ensemble" }, el("h3", {}, `Ensemble of ${networks.length} networks`),
    el("p", { class: "muted" }, `${networks.join(", ")}. Chosen on the validation rows, so believe its test score more.`),
    metricsTable(model), downloads(model));
}

function content(model, ensemble) {
  return [metricsTable(model), confidenceLine(model), downloads(model), predictForm(model),
    ensemble ? ensembleSection(ensemble) : null].filter(Boolean);
}

/** The card; it loads the leader's model, or the best one there is while the leader still races. */
export function bestCard(race) {
  const body = el("div", {}, el("p", { class: "muted" }, "The best model appears here once the first trial has finished."));
  const node = panel("Best model", { kind: "best-panel" }, body);
  const about = el("p", { class: "muted" });
  let [shown, trial] = [null, null];
  const say = () => {
    if (trial === null) return;
    const leads = race.job.best === null || race.job.best?.trial === trial;
    setText(about, leads ? `Trial ${trial}, the leader` : `Trial ${trial}, the best to have finished; trial ${race.job.best.trial} leads`);
  };
  const load = async (wanted) => {
    try {
      const [model, ensemble] = await Promise.all([api.model(wanted.id), wanted.ensemble ? api.model(wanted.ensemble) : null]);
      if (wanted.key !== shown) return;
      trial = model.trial;
      say();
      body.replaceChildren(about, ...content(model, ensemble));
    } catch (problem) {
      if (wanted.key !== shown) return;
      shown = null;
      if (problem.code === "not-found") return; // a better one took its place meanwhile
      body.replaceChildren(problemBox(problem));
    }
  };
  const loadSoon = debounce(load, 250); // leaders may follow each other fast, and old models are dropped
  node.update = () => {
    say();
    const id = race.job.best?.model ?? bestModel(race)?.id ?? null;
    const [told, ensemble] = [race.models.find((model) => model.id === id), ensembleOf(race)];
    const key = [id, told?.sha256, ensemble?.id, ensemble?.sha256].join(); // a card may learn more about its model
    if (!id || key === shown) return;
    shown = key;
    loadSoon({ key, id, ensemble: ensemble?.id ?? null });
  };
  node.update();
  return node;
}
