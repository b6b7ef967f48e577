/** Best so far: every trial's objective as a dot, the best until then as a step line. Pure. */

import { axis, layout, valueAxis } from "./theme.js";

/** The running best of `values`, null until there is one. */
export function bestSoFar(values, maximize) {
  let best = null;
  return values.map((value) => {
    if (Number.isFinite(value) && (best === null || (maximize ? value > best : value < best))) best = value;
    return best;
  });
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

/** `points`: `{number, value, state}` in order of number; options: metric, maximize, log, trials, revision. */
export function historyFigure(points, options, theme) {
  const { maximize = false, log = false, trials = points.length } = options;
  const competing = points.map((point) => (["failed", "diverged"].includes(point.state) ? null : point.value));
  const best = bestSoFar(competing, maximize);
  return {
    data: [dots(points, theme), steps(points, best, theme)],
    layout: layout(theme, options.revision ?? "history", {
      xaxis: axis(theme, "trial", { range: [-1, Math.max(trials, 1)], tickformat: "d" }),
      yaxis: valueAxis(theme, options.metric ?? "objective", competing, { maximize, log, share: 0.95 }),
    }),
  };
}
