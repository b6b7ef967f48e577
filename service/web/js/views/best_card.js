/** The best model of a job: its metrics, its downloads and a small form that predicts with it. */

import { api, downloadUrl } from "../api.js";
import { debounce, el, setText } from "../dom.js";
import { bytes, number, words } from "../format.js";
import { bestModel } from "../state.js";
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

function content(model) {
  return [metricsTable(model), downloads(model), predictForm(model)];
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
  const load = async (id) => {
    try {
      const model = await api.model(id);
      if (id !== shown) return;
      trial = model.trial;
      say();
      body.replaceChildren(about, ...content(model));
    } catch (problem) {
      if (id !== shown) return;
      shown = null;
      if (problem.code === "not-found") return; // a better one took its place meanwhile
      body.replaceChildren(problemBox(problem));
    }
  };
  const loadSoon = debounce(load, 250); // leaders may follow each other fast, and old models are dropped
  node.update = () => {
    say();
    const wanted = race.job.best?.model ?? bestModel(race)?.id ?? null;
    if (!wanted || wanted === shown) return;
    shown = wanted;
    loadSoon(wanted);
  };
  node.update();
  return node;
}
