/** Loss over learning rate of a range test, with the turn, the suggested rate and the suggested interval. Pure. */

import { number } from "../format.js";
import { axis, layout, prefersLog, valueAxis } from "./theme.js";

/** A loss that is so many times the first one is off the chart: behind the turn it climbs without end. */
const HIGHEST = 2;

function line(name, test, values, log, look) {
  return {
    type: "scatter", mode: "lines", name, connectgaps: false, x: test.rates,
    y: values.map((value) => (Number.isFinite(value) && (!log || value > 0) ? value : null)),
    hovertemplate: "rate %{x:.3g}, loss %{y:.4g}<extra></extra>", ...look,
  };
}

function upright(rate, color, dash) {
  return { type: "line", xref: "x", yref: "paper", x0: rate, x1: rate, y0: 0, y1: 1, line: { color, width: 1.6, dash } };
}

function label(rate, text, color, y) {
  return {
    x: Math.log10(rate), xref: "x", y, yref: "paper", yanchor: "top", xanchor: "right", xshift: -4, showarrow: false,
    text: `${text} ${number(rate, 3)}`, font: { size: 12, color },
  };
}

/** `test` is the answer of `GET /v1/jobs/{id}/range-test`. */
export function rangeFigure(test, theme) {
  const near = test.smoothed.filter((value) => value <= HIGHEST * test.smoothed[0]);
  const log = prefersLog(near);
  const shapes = [];
  const annotations = [];
  if (test.interval) {
    const [x0, x1] = test.interval;
    shapes.push({ type: "rect", xref: "x", yref: "paper", x0, x1, y0: 0, y1: 1, layer: "below", line: { width: 0 },
      fillcolor: theme.accent, opacity: 0.1 });
  }
  if (test.turn !== null) {
    shapes.push(upright(test.turn, theme.muted, "dot"));
    annotations.push(label(test.turn, "turn", theme.muted, 0.9));
  }
  if (test.suggested !== null) {
    shapes.push(upright(test.suggested, theme.leader, "solid"));
    annotations.push(label(test.suggested, "suggested", theme.leader, 1));
  }
  const ends = [test.rates[0], test.rates.at(-1)].map(Math.log10);
  return {
    data: [
      line("loss", test, test.losses, log, { opacity: 0.4, line: { color: theme.muted, width: 1 } }),
      line("smoothed", test, test.smoothed, log, { line: { color: theme.accent, width: 2.4 } }),
    ],
    layout: layout(theme, "range-test", {
      xaxis: axis(theme, "learning rate", { type: "log", range: ends, exponentformat: "power", dtick: 1 }),
      yaxis: valueAxis(theme, "training loss", near, { maximize: false, log, share: 1 }),
      shapes, annotations,
    }),
  };
}
