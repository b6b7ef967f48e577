/** Requests to the service. The only file that knows URLs. */

/** An answer that is a problem (RFC 9457): `code`, `title`, `detail`, `errors: [{path, message}]`. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `the service answered ${status}`);
    this.status = status;
    this.code = String(body.type ?? "").split("/").pop();
    this.errors = body.errors ?? [];
  }
}

async function request(method, path, { body, form, signal, headers = {} } = {}) {
  const options = { method, signal, headers: { accept: "application/json", ...headers } };
  if (form) options.body = form;
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["content-type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { title: "The service does not answer." });
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(response.status, answer);
  return answer;
}

const part = encodeURIComponent;
const key = () => ({ "idempotency-key": randomKey() });

/** A key of its own for every press of a button; getRandomValues also works without a secure origin. */
function randomKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const api = {
  jobs: (cursor = null) => request("GET", `/v1/jobs?limit=50${cursor ? `&cursor=${part(cursor)}` : ""}`),
  job: (id) => request("GET", `/v1/jobs/${part(id)}`),
  rangeTest: (id) => request("GET", `/v1/jobs/${part(id)}/range-test`),
  lineage: (id, cursor = null) =>
    request("GET", `/v1/jobs/${part(id)}/lineage?limit=1000${cursor ? `&cursor=${part(cursor)}` : ""}`),
  scheduleUrl: (id, number) => `/v1/jobs/${part(id)}/trials/${number}/schedule`,
  schedule: (id, number) => request("GET", api.scheduleUrl(id, number)),
  act: (id, verb) => request("POST", `/v1/jobs/${part(id)}/${verb}`, { headers: key() }),
  extend: (id, trials) => request("POST", `/v1/jobs/${part(id)}/extend`, { body: { trials } }),
  edit: (id, body) => request("POST", `/v1/jobs/${part(id)}/edit`, { body }),
  submit: (body) => request("POST", "/v1/jobs", { body, headers: key() }),
  preview: (body, signal) => request("POST", "/v1/jobs/preview", { body, signal }),
  trials: (id, cursor = null) =>
    request("GET", `/v1/jobs/${part(id)}/trials?limit=1000${cursor ? `&cursor=${part(cursor)}` : ""}`),
  trial: (id, number) => request("GET", `/v1/jobs/${part(id)}/trials/${number}`),
  best: (id) => request("GET", `/v1/jobs/${part(id)}/best`),
  model: (id) => request("GET", `/v1/models/${part(id)}`),
  predict: (id, rows) => request("POST", `/v1/models/${part(id)}/predict`, { body: { rows } }),
  importSpace: (format, document) => request("POST", "/v1/spaces/import", { body: { format, document } }),
  catalog: () => request("GET", "/v1/catalog"),
  datasets: () => request("GET", "/v1/datasets?limit=200"),
  dataset: (id) => request("GET", `/v1/datasets/${part(id)}`),
  deleteDataset: (id) => request("DELETE", `/v1/datasets/${part(id)}`),
  upload(file, name) {
    const form = new FormData();
    form.append("name", name);
    form.append("file", file);
    return request("POST", "/v1/datasets", { form });
  },
  events: (id, after) => request("GET", `/v1/jobs/${part(id)}/events?after=${after}&limit=1000`),
};

/** Where a model is downloaded; `format` is safetensors or package. */
export function downloadUrl(model, format) {
  return `/v1/models/${part(model)}/download?format=${part(format)}`;
}

/** Plotly's own file, served from the installed Python package. */
export function plotlyUrl() {
  return "/static/plotly.min.js";
}

/** The same submission for a terminal. */
export function curlLine(body) {
  const text = JSON.stringify(body, null, 2).replaceAll("'", "'\\''");
  return `curl -X POST ${location.origin}/v1/jobs \\\n  -H 'content-type: application/json' \\\n  -d '${text}'`;
}

const EVENT_TYPES = ["job", "trial", "reports", "model", "note"];

/**
 * Follow a job's events after a cursor. The browser reconnects by itself with Last-Event-ID; where it gives up (the
 * service was away), a new stream starts at `cursor()`. `onEvents` gets batches, one per animation frame at most;
 * `onLive(true | false)` says whether the stream stands; `isOver()` ends it when the service has closed it.
 */
export function followEvents(id, { cursor, onEvents, onLive, isOver }) {
  let [source, timer, silence, waiting, batch, wait] = [null, 0, 0, false, [], 500];
  const flush = () => {
    const events = batch;
    [batch, waiting] = [[], false];
    if (events.length) onEvents(events);
  };
  const collect = (type) => (message) => {
    batch.push({ id: Number(message.lastEventId), type, data: JSON.parse(message.data) });
    if (waiting) return;
    waiting = true;
    setTimeout(flush, 50); // not a frame: a page in the background must keep up too
  };
  const lost = () => {
    flush();
    clearTimeout(silence);
    silence = setTimeout(() => onLive(false), 3000); // a stream that only starts anew is no news
    if (isOver()) source.close();
    else if (source.readyState === EventSource.CLOSED) {
      timer = setTimeout(open, wait);
      wait = Math.min(wait * 2, 15000);
    }
  };
  const open = () => {
    source = new EventSource(`/v1/jobs/${part(id)}/events?after=${cursor()}`);
    for (const type of EVENT_TYPES) source.addEventListener(type, collect(type));
    source.addEventListener("open", () => {
      wait = 500;
      clearTimeout(silence);
      onLive(true);
    });
    source.addEventListener("error", lost);
  };
  open();
  return () => {
    clearTimeout(timer);
    clearTimeout(silence);
    source.close();
  };
}
