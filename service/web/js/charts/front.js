/** Several objectives: every trial by the first two of them, the front marked and joined. Pure. */

import { number, words } from "../format.js";
import { axis, layout, prefersLog, valueAxis } from "./theme.js";

/** The trials as `{number, state, x, y, front, feasible}`: y is the first objective, x the second; both are numbers. */
export function frontPoints(trials, [first, second]) {
  return trials
    .map((trial) => ({ ...trial, y: trial.metrics[first.name], x: trial.metrics[second.name] }))
    .filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y));
}

/** The front joined by a line, in order of its second objective. */
function joined(front, theme) {
  const ordered = [...front].sort((a, b) => a.x - b.x || a.y - b.y);
  return {
    type: "scatter", mode: "lines", name: "front", hoverinfo: "skip", x: ordered.map((point) => point.x),
    y: ordered.map((point) => point.y), line: { color: theme.leader, width: 1.6, dash: "dot" },
  };
}

function dots(points, name, marker) {
  return {
    type: "scatter", mode: "markers", name, x: points.map((point) => point.x), y: points.map((point) => point.y),
    customdata: points.map((point) => point.number), marker,
    hovertemplate: points.map((point) => `trial ${point.number}: ${number(point.y)}, ${number(point.x)}<extra></extra>`),
  };
}

/** `trials` as `GET /v1/jobs/{id}/trials` lists them; `objectives`: `{name, maximize}`, the first two are drawn. */
export function frontFigure(trials, objectives, theme) {
  const points = frontPoints(trials, objectives);
  const [front, rest] = [points.filter((point) => point.front), points.filter((point) => !point.front)];
  const [keep, broken] = [rest.filter((point) => point.feasible !== false), rest.filter((point) => point.feasible === false)];
  const colours = (some) => some.map((point) => theme.state[point.state]);
  const [xs, ys] = [points.map((point) => point.x), points.map((point) => point.y)];
  const [logX, logY] = [xs, ys].map((values, at) => prefersLog(values, { maximize: objectives[1 - at].maximize }));
  return {
    data: [
      dots(broken, "breaks limits", { size: 7, symbol: "x-thin-open", color: theme.muted }),
      dots(keep, "dominated", { size: 7, opacity: 0.65, color: colours(keep) }),
      ...(objectives.length === 2 ? [joined(front, theme)] : []),
      dots(front, "front", { size: 10, color: theme.leader, line: { width: 1, color: theme.panel } }),
    ],
    layout: layout(theme, `front-${logX}-${logY}`, {
      xaxis: axis(theme, words(objectives[1].name), { type: logX ? "log" : "linear" }),
      yaxis: valueAxis(theme, words(objectives[0].name), ys, { maximize: objectives[0].maximize, log: logY }),
    }),
  };
}
