/** Best so far: every trial's objective as a dot, the best until then as a step line. Pure. */

import { competes } from "../state.js";
import { axis, layout, valueAxis } from "./theme.js";

/** The running best of `values`, null until there is one. */
export function bestSoFar(values, maximize) {
  let best = null;
  return values.map((value) => {
    if (Number.isFinite(value) && (best === null || (maximize ? value > best : value < best))) best = value;
    return best;
  });
}

/**
 * What random search finds in 1, 2, ... trials: `{low, middle, high}` for each number of them, the expected best and
 * where it lies in 8 of 10 searches. Exact for searches that draw from `values`, each at most once.
 */
export function expectedBest(values, maximize) {
  const sorted = Float64Array.from(values).sort();
  if (maximize) sorted.reverse();
  const total = sorted.length;
  return Array.from(sorted, (_, index) => {
    const draws = index + 1;
    let isWorse = 1, middle = 0, low = null, high = null;
    for (let place = 0; place < total && isWorse > 1e-12; place++) {
      const left = total - place;
      const next = left > draws ? isWorse * (1 - draws / left) : 0;
      middle += (isWorse - next) * sorted[place];
      isWorse = next;
      if (low === null && isWorse <= 0.9) low = sorted[place];
      if (high === null && isWorse <= 0.1) high = sorted[place];
    }
    return { low, middle, high };
  });
}

function band(first, expected, theme) {
  const x = expected.map((_, index) => first + index);
  const line = (y, more) => ({ type: "scatter", mode: "lines", hoverinfo: "skip", x, y, ...more });
  const hidden = { color: theme.muted, width: 0, shape: "hv" };
  const fill = { fill: "tonexty", fillcolor: theme.line };
  return [
    line(expected.map(({ low }) => low), { line: hidden, name: "random search, best tenth" }),
    line(expected.map(({ high }) => high), { line: hidden, ...fill, name: "random search, worst tenth" }),
    line(expected.map(({ middle }) => middle), {
      line: { color: theme.muted, width: 1.4, dash: "dot", shape: "hv" }, name: "random search, expected",
    }),
  ];
}

function dots(points, theme) {
  return {
    type: "scatter", mode: "markers", name: "trials", hoverinfo: "none",
    x: points.map((point) => point.number),
    y: points.map((point) => point.value),
    customdata: points.map((point) => point.number),
    marker: { size: 6, opacity: 0.65, color: points.map((point) => theme.state[point.state]), line: { width: 0 } },
  };
}

function steps(points, best, theme) {
  return {
    type: "scatter", mode: "lines", name: "best so far", hoverinfo: "skip",
    x: points.map((point) => point.number),
    y: best,
    line: { color: theme.leader, width: 2.6, shape: "hv" },
  };
}

/**
 * `points`: `{number, value, state}` in order of number; options: metric, maximize, log, trials, revision, and `random`:
 * `{first, count}`, the trials that are a random search of their own.
 */
export function historyFigure(points, options, theme) {
  const { maximize = false, log = false, trials = points.length } = options;
  const competing = points.map((point) => (competes(point) ? point.value : null));
  const best = bestSoFar(competing, maximize);
  const { first = 0, count = 0 } = options.random ?? {};
  const drawn = competing.filter((value, index) => {
    const { number } = points[index];
    return Number.isFinite(value) && number >= first && number < first + count;
  });
  return {
    data: [...(drawn.length > 1 ? band(first, expectedBest(drawn, maximize), theme) : []), dots(points, theme), steps(points, best, theme)],
    layout: layout(theme, options.revision ?? "history", {
      xaxis: axis(theme, "trial", { range: [-1, Math.max(trials, 1)], tickformat: "d" }),
      yaxis: valueAxis(theme, options.metric ?? "objective", competing, { maximize, log }),
    }),
  };
}
