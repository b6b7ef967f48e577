/**
 * What the job page knows: events in, plain values out. One table of handlers, one per event type of the contract.
 * Everything is idempotent, since a reconnecting stream may repeat events. No elements, no requests.
 */

export const TRIAL_STATES = [
  "running", "paused", "pending", "completed", "stopped", "diverged", "failed", "cancelled",
];
export const JOB_ENDED = new Set(["succeeded", "failed", "cancelled"]);

/** Start from the answer of `GET /v1/jobs/{id}`. */
export function createRace(job) {
  return { job, trials: new Map(), curves: new Map(), notes: [], models: [], cursor: 0, receivedAt: Date.now() };
}

/** Whether larger objectives win. */
export function maximizes(race) {
  return Boolean(race.job.resolved_spec?.objective?.maximize);
}

/** The better of two values, either of which may be missing. */
export function better(maximize, left, right) {
  if (left === null || left === undefined || !Number.isFinite(left)) return right;
  if (right === null || right === undefined || !Number.isFinite(right)) return left;
  return maximize === left > right ? left : right;
}

/** A trial's curve: parallel arrays, index = sequence - 1. */
function curveOf(race, number) {
  let curve = race.curves.get(number);
  if (!curve) {
    curve = { epochs: [], values: [], losses: [], best: null, bestEpoch: null };
    race.curves.set(number, curve);
  }
  return curve;
}

/** `lead`: the trial's value at its best epoch as the service sees it, where that is not simply the best value. */
function addReport(race, number, sequence, epoch, value, loss, lead) {
  const curve = curveOf(race, number);
  curve.epochs[sequence - 1] = epoch;
  curve.values[sequence - 1] = value;
  curve.losses[sequence - 1] = loss;
  curve.watched = lead !== undefined;
  const best = curve.watched ? lead : better(maximizes(race), curve.best, value);
  if (best !== curve.best && best !== undefined) {
    curve.best = best;
    curve.bestEpoch = epoch;
  }
}

/** A trial of an extended job goes on from `length` of its reports: later ones may come again, or never. */
function rewind(race, number, length) {
  const old = curveOf(race, number);
  race.curves.delete(number);
  for (let at = 0; at < Math.min(length, old.values.length); at++) {
    addReport(race, number, at + 1, old.epochs[at], old.values[at], old.losses[at]);
  }
}

/** Whether a model is told again, or made anew under another id as those of an extended job are. */
const takesPlace = (model, old) => model.id === old.id
  || (model.origin === old.origin && (model.origin === "ensemble" || (model.trial !== undefined && model.trial === old.trial)));

const HANDLERS = {
  job(race, data) {
    race.job = { ...race.job, ...data };
    race.receivedAt = Date.now();
    return ["job"];
  },
  trial(race, data) {
    race.trials.set(data.number, { ...race.trials.get(data.number), ...data });
    if (data.n_reports === undefined) return ["trials", "curves"];
    rewind(race, data.number, data.n_reports);
    race.models = race.models.filter((model) => model.trial !== data.number && model.origin !== "ensemble");
    return ["trials", "curves", "models"];
  },
  reports(race, data) {
    const at = Object.fromEntries(data.columns.map((name, index) => [name, index]));
    for (const row of data.rows) {
      addReport(race, row[at.trial], row[at.sequence], row[at.epoch], row[at.objective], row[at.train_loss],
        row[at.best]);
    }
    return ["curves", "trials"];
  },
  model(race, data) {
    race.models = [...race.models.filter((model) => !takesPlace(data, model)), data];
    return ["models"];
  },
  note(race, data, id) {
    if (!race.notes.some((note) => note.id === id)) race.notes.push({ ...data, id });
    return ["notes"];
  },
};

/** Apply events `{id, type, data}` in order; returns the set of parts that changed. Unknown types are left alone. */
export function applyEvents(race, events) {
  const changed = new Set();
  for (const event of events) {
    for (const part of HANDLERS[event.type]?.(race, event.data, event.id) ?? []) changed.add(part);
    race.cursor = Math.max(race.cursor, event.id);
  }
  return changed;
}

/** A trial's objective: the best of what is stored and what has been reported since. */
export function objectiveOf(race, trial) {
  const curve = race.curves.get(trial.number);
  if (curve?.watched) return curve.best ?? null;
  return better(maximizes(race), trial.objective ?? null, curve?.best ?? null) ?? null;
}

/** The spread of that value over folds and repeats, once it is known; null for one lane. */
export function spreadOf(race, trial) {
  return trial.objective === objectiveOf(race, trial) ? trial.spread ?? null : null;
}

/** Whether a trial may lead: it has not failed or diverged, and breaks no limit. */
export const competes = (trial) => trial.state !== "failed" && trial.state !== "diverged" && trial.feasible !== false;

/**
 * The trial that leads, or null, of those that compete. Ties go to the one that the service calls best, by the further
 * objectives, then to the smaller number.
 */
export function leaderOf(race) {
  const [maximize, best] = [maximizes(race), race.job.best?.trial];
  const isBefore = (one, other) => other.number !== best && (one.number === best || one.number < other.number);
  let leader = null;
  let lead = null;
  for (const trial of race.trials.values()) {
    if (!competes(trial)) continue;
    const value = objectiveOf(race, trial);
    if (value === null) continue;
    const wins = lead === null || (maximize ? value > lead : value < lead);
    if (wins || (value === lead && isBefore(trial, leader))) [leader, lead] = [trial, value];
  }
  return leader;
}

/** The average of several networks, once there is one, or null. */
export function ensembleOf(race) {
  return race.models.find((model) => model.origin === "ensemble") ?? null;
}

/** The best model of a trial that has been announced, or null. */
export function bestModel(race) {
  const maximize = maximizes(race);
  return race.models.filter((model) => model.origin !== "ensemble").reduce((best, model) =>
    best === null || (maximize ? model.objective > best.objective : model.objective < best.objective) ? model : best, null);
}

/** How many trials stand in each state. */
export function countStates(race) {
  const counts = Object.fromEntries(TRIAL_STATES.map((state) => [state, 0]));
  for (const trial of race.trials.values()) counts[trial.state] = (counts[trial.state] ?? 0) + 1;
  return counts;
}

/** Names of the parameters that vary, in the space's order; those of the trials where no space is known. */
export function parameterNames(race) {
  const used = new Set();
  for (const trial of race.trials.values()) for (const name of Object.keys(trial.parameters ?? {})) used.add(name);
  const varied = Object.keys(race.job.resolved_spec?.space ?? {}).filter((name) => used.has(name));
  return varied.length ? varied : [...used];
}
