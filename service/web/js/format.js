/** Numbers, times and codes as people read them. Pure functions; no elements. */

/** A mean with its standard deviation, such as 0.92 ± 0.01; the value alone where there is none. */
export function withSpread(value, spread) {
  return spread === null || spread === undefined ? number(value) : `${number(value)} ± ${number(spread, 2)}`;
}

/** A metric or parameter with about `digits` significant digits; a dash for nothing. */
export function number(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (!Number.isFinite(value)) return "not finite";
  if (Number.isInteger(value) && Math.abs(value) < 1e7) return String(value);
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(Math.max(digits - 2, 1)).replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}

/** A parameter's value: numbers short, lists and texts as they are. */
export function parameter(value) {
  if (Array.isArray(value)) return value.map((part) => parameter(part)).join(" × ");
  if (value !== null && typeof value === "object") return JSON.stringify(value);
  return number(value, 3);
}

/** Whole numbers with thin spaces between thousands. */
export function count(value) {
  return value === null || value === undefined ? "–" : String(value).replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009");
}

/** Seconds as 4.2 s, 3 min 20 s, 2 h 5 min. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

/** How long ago a moment was, from the API's ISO time. */
export function age(iso, now = Date.now()) {
  const seconds = (now - moment(iso)) / 1000;
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.round(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

/** Milliseconds of an ISO time; one without a zone is UTC. */
export function moment(iso) {
  if (!iso) return NaN;
  return Date.parse(/[zZ]$|[+-]\d\d:?\d\d$/.test(iso) ? iso : `${iso}Z`);
}

/** Bytes as kB or MB. */
export function bytes(size) {
  if (size === null || size === undefined) return "–";
  if (size < 1e3) return `${size} B`;
  return size < 1e6 ? `${(size / 1e3).toFixed(1)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}

/** How sure a winner's score is: 0.912, 95 % 0.89–0.93, after selection 0.905. Nothing known is an empty text. */
export function confidence(told) {
  if (!told) return "";
  const range = (pair) => pair.map((end) => number(end, 3)).join("–");
  return [
    number(told.score, 3),
    told.interval ? `${Math.round(100 * told.level)} % ${range(told.interval)}` : "",
    told.corrected === null ? "" : `after selection ${number(told.corrected, 3)}`,
  ].filter(Boolean).join(", ");
}

/** A code of the API as words: mean_squared_error -> mean squared error. */
export function words(code) {
  return code ? String(code).replaceAll("_", " ") : "";
}

/** A code as the label of a field: epochs_per_trial -> Epochs per trial. */
export function sentence(code) {
  const text = words(code);
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const JOB_REASONS = {
  submitted: "waiting to be taken up",
  no_workers: "waiting for a free worker",
  nothing_told: "waiting to be told; its driver works for others meanwhile",
  claimed: "trials are racing",
  user_paused: "paused by you",
  user_resumed: "resumed, waiting to be taken up",
  user_extended: "given more trials, waiting to be taken up",
  user_cancelled: "cancelled by you",
  trials_done: "all trials are done",
  space_exhausted: "every point of the space was tried",
  seconds_up: "the time budget is used up",
  target_reached: "the target value was reached",
  no_improvement: "nothing improved any more",
  too_many_failed: "too many trials failed",
  no_completed_trial: "no trial reached a result",
  no_feasible_trial: "no trial keeps the limits",
  lease_expired: "its driver was lost; it goes on where it stopped",
  scheduler_stuck: "the scheduler waits for a trial that cannot come",
  replay_mismatch: "the record and a re-run disagree; clone it to go on",
  storage_full: "the storage is full; free some and resume",
  worker_version: "a worker runs another version of the code",
  dataset_unreadable: "the dataset cannot be read",
  internal_error: "an internal error",
};

const TRIAL_REASONS = {
  admitted: "in the race",
  epochs_done: "all epochs done",
  out_of_patience: "no progress: stopped early at its best",
  told_final: "its program said that it is done",
  scheduler_stopped: "stopped by the scheduler",
  scheduler_paused: "waiting for the scheduler",
  not_finite: "its loss is no longer finite",
  error: "it raised an error",
  out_of_memory: "out of memory",
  job_cancelled: "the job was cancelled",
  seconds_up: "the time budget is used up",
  target_reached: "the target value was reached",
  no_improvement: "nothing improved any more in this job",
  job_failed: "the job failed",
};

/** Why a job is in its state, in words. */
export function jobReason(code) {
  return JOB_REASONS[code] ?? words(code);
}

/** Why a trial is in its state, in words. */
export function trialReason(code) {
  return TRIAL_REASONS[code] ?? words(code);
}
