/** Who copied whose weights at which round, with the way that led to the leader's best epoch. Pure. */

import { axis, layout } from "./theme.js";

/** The leader's way: along each trial that its weights have passed, until the round in which they were copied on. */
function wayOf(passages, last) {
  const x = [];
  const y = [];
  passages.forEach((passage, index) => {
    x.push(passage.round ?? 0, passages[index + 1]?.round ?? last);
    y.push(passage.trial, passage.trial);
  });
  return { x, y };
}

/** `copies` are the items of `GET /v1/jobs/{id}/lineage`, `passages` those of the leader's `schedule`. */
export function lineageFigure(copies, passages, trials, theme) {
  const last = Math.max(...copies.map((copy) => copy.round ?? 0), 1);
  const x = copies.flatMap((copy) => [copy.round, copy.round, null]);
  const y = copies.flatMap((copy) => [copy.source_trial, copy.trial, null]);
  return {
    data: [
      { type: "scatter", mode: "lines", name: "copies", x, y, hoverinfo: "skip", connectgaps: false,
        line: { color: theme.muted, width: 1 }, opacity: 0.6 },
      { type: "scatter", mode: "markers", name: "copied by", x: copies.map((copy) => copy.round),
        y: copies.map((copy) => copy.trial), customdata: copies.map((copy) => copy.trial),
        text: copies.map((copy) => (copy.inherits ? `trial ${copy.trial} inherits from trial ${copy.source_trial}`
          : `trial ${copy.trial} goes on from trial ${copy.source_trial}, epoch ${copy.source_epoch}`)),
        hovertemplate: "round %{x}: %{text}<extra></extra>", marker: { color: theme.accent, size: 6 } },
      { type: "scatter", mode: "lines", name: "leader", ...wayOf(passages, last), hoverinfo: "skip",
        line: { color: theme.leader, width: 2.4 } },
    ],
    layout: layout(theme, "lineage", {
      xaxis: axis(theme, "round", { range: [0, last], rangemode: "nonnegative" }),
      yaxis: axis(theme, "trial", { range: [-0.5, trials - 0.5] }),
    }),
  };
}
