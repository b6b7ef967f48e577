/**
 * Learning curves of all trials: one light trace per state (lines are separated by gaps), the leader on top, a marker
 * where each running trial is now and where one has a single report, which makes no line. A pure function of arrays to a
 * Plotly figure.
 */

import { number } from "../format.js";
import { axis, layout, valueAxis } from "./theme.js";

const ORDER = ["cancelled", "stopped", "pending", "paused", "completed", "failed", "diverged", "running"];
const LOOK = {
  running: { opacity: 0.85, width: 1.6 },
  completed: { opacity: 0.6, width: 1.3 },
  diverged: { opacity: 0.8, width: 1.3 },
  failed: { opacity: 0.8, width: 1.3 },
};
const FAINT = { opacity: 0.5, width: 1.1 };
const ENDS = { diverged: "x-thin-open", failed: "x-thin-open", running: "circle" };
const SIZES = { diverged: 7, failed: 7, running: 5 };
const DOT = 3;

/**
 * Keep at most `limit` points: whole lines first go by rank (the best and the running stay), then every line is
 * thinned to every n-th epoch, its last point always kept. Lines are `{number, state, epochs, values, best}`.
 */
export function lighten(lines, { limit = 12000, maximize = false } = {}) {
  const total = lines.reduce((sum, line) => sum + line.values.length, 0);
  if (total <= limit) return lines;
  const worst = maximize ? -Infinity : Infinity;
  const rank = (line) => (maximize ? -1 : 1) * (line.best ?? worst);
  const kept = [...lines]
    .sort((a, b) => (b.state === "running") - (a.state === "running") || rank(a) - rank(b))
    .slice(0, Math.max(Math.floor(limit / 12), 1));
  const points = kept.reduce((sum, line) => sum + line.values.length, 0);
  const step = Math.ceil(points / limit);
  return step <= 1 ? kept : kept.map((line) => thin(line, step));
}

function thin(line, step) {
  const last = line.values.length - 1;
  const keep = (_, index) => index % step === 0 || index === last;
  return { ...line, epochs: line.epochs.filter(keep), values: line.values.filter(keep) };
}

/** Join lines into one trace; a gap parts them, and also a step back in age (PBT copies older weights). */
function join(lines, log) {
  const [x, y, customdata] = [[], [], []];
  const gap = (number) => {
    x.push(null);
    y.push(null);
    customdata.push(number);
  };
  for (const line of lines) {
    let previous = -Infinity;
    for (let index = 0; index < line.values.length; index++) {
      const epoch = line.epochs[index];
      if (epoch === undefined) continue; // not received yet
      if (epoch <= previous) gap(line.number);
      previous = epoch;
      const value = line.values[index];
      x.push(epoch);
      y.push(Number.isFinite(value) && (!log || value > 0) ? value : null);
      customdata.push(line.number);
    }
    gap(line.number);
  }
  return { x, y, customdata };
}

function base(name, more) {
  return { type: "scatter", name, hoverinfo: "none", connectgaps: false, ...more };
}

function stateTrace(state, lines, theme, log) {
  const look = LOOK[state] ?? FAINT;
  return base(state, {
    ...join(lines, log),
    mode: "lines",
    opacity: look.opacity,
    line: { color: theme.state[state], width: look.width },
  });
}

/** A marker at the last finite point of every line. */
function endsTrace(name, lines, theme) {
  const ends = lines.map((line) => ({ line, at: line.values.findLastIndex((value) => Number.isFinite(value)) }))
    .filter((end) => end.at >= 0);
  return base(name, {
    x: ends.map((end) => end.line.epochs[end.at]),
    y: ends.map((end) => end.line.values[end.at]),
    customdata: ends.map((end) => end.line.number),
    mode: "markers",
    marker: {
      symbol: ends.map((end) => ENDS[end.line.state] ?? "circle"),
      size: ends.map((end) => SIZES[end.line.state] ?? DOT),
      color: ends.map((end) => theme.state[end.line.state]),
      line: { width: 1.4, color: ends.map((end) => theme.state[end.line.state]) },
    },
    opacity: 0.9,
  });
}

function leaderTraces(leader, theme, log) {
  const empty = { x: [], y: [], customdata: [] };
  const points = leader ? join([leader], log) : empty;
  const end = leader ? leader.values.findLastIndex((value) => Number.isFinite(value)) : -1;
  const head = end < 0 ? empty : { x: [leader.epochs[end]], y: [leader.values[end]], customdata: [leader.number] };
  return [
    base("leader", { ...points, mode: "lines", line: { color: theme.leader, width: 3.2 } }),
    base("leader now", {
      ...head, mode: "markers", cliponaxis: false,
      marker: { symbol: "circle", size: 11, color: theme.leader, line: { width: 2, color: theme.panel } },
    }),
  ];
}

function leaderLabel(leader, course, theme, log) {
  const end = leader ? leader.values.findLastIndex((value) => Number.isFinite(value)) : -1;
  if (end < 0 || (log && leader.values[end] <= 0)) return [];
  const place = leader.epochs[end] < 0.7 * course
    ? { xanchor: "left", yanchor: "middle", xshift: 12 } : { xanchor: "right", yanchor: "bottom", yshift: 12, xshift: 4 };
  return [{
    x: leader.epochs[end], y: log ? Math.log10(leader.values[end]) : leader.values[end], showarrow: false,
    text: `trial ${leader.number} · best ${number(leader.best)}`, ...place,
    font: { size: 12, color: theme.leader }, bgcolor: theme.panel, opacity: 0.92, borderpad: 2,
  }];
}

function rungMarks(rungs, theme) {
  return rungs.map((epoch) => ({
    type: "line", xref: "x", yref: "paper", x0: epoch, x1: epoch, y0: 0, y1: 1, layer: "below",
    line: { color: theme.muted, width: 1, dash: "dot" }, opacity: 0.55,
  }));
}

/** Index of the empty trace that `highlight` fills. */
export const HIGHLIGHT = ORDER.length + 3;

/**
 * Draw the race. `options`: metric (name), maximize, log, leader (trial number or null), epochs (the course's
 * length), rungs (epochs where the scheduler decides), revision.
 */
export function curvesFigure(lines, options, theme) {
  const { maximize = false, log = false, leader = null, epochs = 0, rungs = [] } = options;
  const light = lighten(lines, { maximize });
  const groups = ORDER.map((state) => light.filter((line) => line.state === state && line.number !== leader));
  const first = lines.find((line) => line.number === leader);
  const isDot = (line) => line.values.filter((value) => Number.isFinite(value)).length === 1;
  const marked = light.filter((line) => (line.state in ENDS || isDot(line)) && line.number !== leader);
  const longest = lines.reduce((most, line) => Math.max(most, line.epochs.at(-1) ?? 0), epochs);
  return {
    data: [
      ...groups.map((group, index) => stateTrace(ORDER[index], group, theme, log)),
      endsTrace("ends", marked, theme),
      ...leaderTraces(first, theme, log),
      highlight(null, theme, log),
    ],
    layout: layout(theme, options.revision ?? "race", {
      xaxis: axis(theme, "epoch", { range: [0.5, longest + 0.5 + longest * 0.02], tickformat: "d" }),
      yaxis: valueAxis(theme, options.metric ?? "objective", light.flatMap((line) => line.values),
        { maximize, log }),
      annotations: leaderLabel(first, longest, theme, log),
      shapes: rungMarks(rungs.filter((epoch) => epoch < longest), theme),
    }),
  };
}

/** The trace of one line that somebody points at, or an empty one. */
export function highlight(line, theme, log) {
  const points = line ? join([line], log) : { x: [], y: [], customdata: [] };
  return base("highlight", {
    ...points, mode: "lines+markers", hoverinfo: "skip",
    line: { color: theme.ink, width: 2.6 }, marker: { size: 4, color: theme.ink },
  });
}
