/** The router: the location's hash names a page, each page is a function that fills `main` and may return its end. */

import { el } from "./dom.js";
import { showDatasets } from "./views/datasets.js";
import { showJob } from "./views/job.js";
import { showJobs } from "./views/jobs.js";
import { showNewJob } from "./views/new_job.js";

const ROUTES = [
  [/^#\/jobs$/, "jobs", "Jobs", showJobs],
  [/^#\/jobs\/([^/]+)$/, "jobs", "Job", showJob],
  [/^#\/new$/, "new", "New job", showNewJob],
  [/^#\/datasets$/, "datasets", "Datasets", showDatasets],
];

const main = document.getElementById("main");
let leave = null;

function markPage(page) {
  for (const link of document.querySelectorAll("[data-page]")) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function showNothing(holder) {
  holder.append(el("section", { class: "empty panel" }, el("h1", {}, "There is no such page"),
    el("p", {}, el("a", { href: "#/jobs" }, "All jobs"))));
}

function route() {
  const [path, query = ""] = (location.hash || "#/jobs").split("?");
  const found = ROUTES.find(([pattern]) => pattern.test(path));
  leave?.();
  main.replaceChildren();
  const [pattern, page, title, show] = found ?? [/^/, "", "Not found", showNothing];
  markPage(page);
  document.title = `${title} · Regatta`;
  const values = pattern.exec(path).slice(1).map(decodeURIComponent);
  leave = show(main, ...values, new URLSearchParams(query)) ?? null;
  window.scrollTo(0, 0);
}

window.addEventListener("hashchange", () => {
  route();
  main.focus({ preventScroll: true });
});
route();
