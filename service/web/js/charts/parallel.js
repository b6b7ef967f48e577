/**
 * Parallel coordinates of the parameters, coloured by objective, the leader on top. Drawn with plain lines and not with Plotly's own
 * parcoords, which needs WebGL and code generation that a strict content security policy forbids. Pure.
 */

import { number, parameter } from "../format.js";
import { layout, plain } from "./theme.js";

const N_BINS = 6;

/** Scale of one column of values: `place(value)` in 0..1 and the ticks. `log` for floats over more than a decade. */
export function columnScale(values, { log = false } = {}) {
  const present = values.filter((value) => value !== undefined && value !== null);
  if (present.every((value) => typeof value === "number")) return numberScale(present, log);
  const names = [...new Set(present.map((value) => parameter(value)))].sort();
  const step = names.length > 1 ? 1 / (names.length - 1) : 0;
  const places = new Map(names.map((name, index) => [name, names.length > 1 ? index * step : 0.5]));
  const every = Math.ceil(names.length / 8);
  return {
    place: (value) => places.get(parameter(value)),
    ticks: names.map((name, index) => ({ at: places.get(name), text: name, index }))
      .filter((tick) => tick.index % every === 0),
  };
}

/** Those of ascending places that leave room for a label between them; the last one always stays. */
function apart(places) {
  const kept = [];
  for (const place of places) {
    if (kept.length && place - kept.at(-1) < 0.08) {
      if (place === places.at(-1)) kept[kept.length - 1] = place;
    } else kept.push(place);
  }
  return kept;
}

function numberScale(present, log) {
  const finite = present.filter((value) => Number.isFinite(value));
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const bend = log && low > 0 ? Math.log : (value) => value;
  const back = log && low > 0 ? Math.exp : (value) => value;
  const span = bend(high) - bend(low) || 1;
  const distinct = [...new Set(finite)].sort((a, b) => a - b);
  const few = distinct.length <= 6 && distinct.map((value) => (bend(value) - bend(low)) / span);
  const parts = few || (high > low ? [0, 0.5, 1] : [0]);
  const whole = finite.every((value) => Number.isInteger(value));
  const text = (part) => {
    const value = back(bend(low) + part * span);
    return number(whole ? Math.round(value) : value, 3);
  };
  return {
    place: (value) => (Number.isFinite(value) ? (bend(value) - bend(low)) / span : undefined),
    ticks: finite.length ? apart(parts).map((part) => ({ at: part, text: text(part) })) : [],
  };
}

/** Bin 0 holds the worst objectives, the last one the best, by rank. */
export function rankBins(values, maximize, n = N_BINS) {
  const order = values.map((_, index) => index).sort((a, b) => (maximize ? 1 : -1) * (values[a] - values[b]));
  const bins = new Array(values.length);
  order.forEach((index, rank) => (bins[index] = Math.floor((rank / values.length) * n)));
  return bins;
}

function rowsTrace(rows, color, more) {
  const [x, y, customdata] = [[], [], []];
  for (const row of rows) {
    row.places.forEach((place, index) => {
      x.push(index);
      y.push(place ?? null);
      customdata.push(row.number);
    });
    x.push(null);
    y.push(null);
    customdata.push(row.number);
  }
  return {
    type: "scatter", mode: "lines", x, y, customdata, hoverinfo: "none", connectgaps: false,
    line: { color, width: more.width }, opacity: more.opacity,
  };
}

function shorten(name) {
  return name.length > 18 ? `${name.slice(0, 17)}…` : name;
}

function labels(columns, scales, theme) {
  const label = (x, y, text, more) => ({
    x, y, text: plain(text), xref: "x", yref: "y", showarrow: false, font: { size: 10.5, color: theme.muted }, ...more,
  });
  return columns.flatMap((column, index) => [
    label(index, 1.06, shorten(column.name), {
      yanchor: "bottom", font: { size: 11.5, color: theme.ink },
    }),
    ...scales[index].ticks.map((tick) =>
      label(index, tick.at, tick.text, { xanchor: "left", xshift: 4, bgcolor: theme.panel, opacity: 0.9, borderpad: 1 })),
  ]);
}

/**
 * `columns`: `{name, log}`, the objective last; `trials`: `{number, values: [one per column]}`; at most 600 of them
 * are drawn, the best ones. Options: maximize, revision.
 */
export function parallelFigure(columns, trials, options, theme) {
  const { maximize = false } = options;
  const last = columns.length - 1;
  const drawn = trials.filter((trial) => Number.isFinite(trial.values[last]))
    .sort((a, b) => (maximize ? -1 : 1) * (a.values[last] - b.values[last])).slice(0, 600);
  const scales = columns.map((column, index) => columnScale(drawn.map((trial) => trial.values[index]), column));
  const bins = rankBins(drawn.map((trial) => trial.values[last]), maximize);
  const rows = drawn.map((trial, index) => ({
    number: trial.number, bin: bins[index],
    places: trial.values.map((value, column) => (value === undefined ? undefined : scales[column].place(value))),
  }));
  return {
    data: [
      ...Array.from({ length: N_BINS }, (_, bin) => rowsTrace(rows.filter((row) => row.bin === bin), theme.scale[bin],
        { width: 1.2, opacity: 0.3 + (0.6 * bin) / (N_BINS - 1) })),
      rowsTrace(rows.slice(0, 1), theme.leader, { width: 3, opacity: 1 }),
    ],
    layout: layout(theme, options.revision ?? "parallel", {
      margin: { l: 52, r: 68, t: 30, b: 14 },
      dragmode: false,
      xaxis: { visible: false, range: [-0.02, last + 0.02], fixedrange: true },
      yaxis: { visible: false, range: [-0.06, 1.16], fixedrange: true },
      annotations: labels(columns, scales, theme),
      shapes: columns.map((_, index) => ({
        type: "line", x0: index, x1: index, y0: 0, y1: 1, layer: "below", line: { color: theme.line, width: 1.5 },
      })),
    }),
  };
}
