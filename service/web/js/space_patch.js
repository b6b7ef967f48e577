/** The space of a job as it is edited: which parameters it has, and what was changed. Pure: no elements, no requests. */

import { overlay } from "./job_body.js";
import { same } from "./schema.js";

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** The JSON merge patch (RFC 7396) that makes `after` of `before`; undefined where they are alike. */
export function mergePatch(before, after) {
  if (same(before, after)) return undefined;
  if (!isObject(before) || !isObject(after)) return after;
  const gone = Object.keys(before).filter((name) => !(name in after)).map((name) => [name, null]);
  const changed = Object.entries(after).map(([name, value]) => [name, mergePatch(before[name], value)])
    .filter(([, value]) => value !== undefined);
  return Object.fromEntries([...gone, ...changed]);
}

/**
 * The parameters of a job as they were written, `[{name, entry, isOwn}]` in the order of its space: those of its spec are
 * its own, the others come from its preset, whose default gives way as soon as the parameter is another.
 */
export function currentSpace({ spec, resolved_spec: resolved }, { trainers, presets }) {
  const trainer = trainers.find(({ kind }) => kind === resolved.trainer);
  const wanted = spec.preset ?? (spec.space ? null : trainer?.default_preset);
  const ready = presets.find((preset) => preset.name === wanted && preset.trainer === resolved.trainer)?.space ?? {};
  const own = spec.space ?? {};
  const written = (name) => (name in own || name in ready ? name : name.replace(/\.\d+$/, ""));
  const names = [...new Set(Object.keys(resolved.space).map(written))];
  return names.map((name) => {
    if (own[name]) return { name, entry: own[name], isOwn: true };
    return { name, entry: { ...(ready[name] ?? resolved.space[name]), default: null }, isOwn: false };
  });
}

/**
 * What to send for a parameter that was shown as `before` and is `after` now; undefined where nothing was changed. One
 * of the preset is sent whole; where the type is another, all that the job's own said and the new one does not goes.
 */
export function changeOf({ entry, isOwn }, before, after) {
  if (same(before, after)) return undefined;
  if (!isOwn) return after;
  return mergePatch(before.type === after.type ? before : overlay(entry, before), after);
}
