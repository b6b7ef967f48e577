/** Colours and the common layout of all charts, read from the style sheet so that light and dark have one source. */

import { number } from "../format.js";

/** The palette that the style sheet holds at this moment. */
export function readTheme() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const names = ["ink", "muted", "line", "panel", "accent", "leader"];
  const states = ["pending", "running", "paused", "completed", "stopped", "diverged", "failed", "cancelled"];
  return {
    ...Object.fromEntries(names.map((name) => [name, read(name)])),
    state: Object.fromEntries(states.map((name) => [name, read(`state-${name}`)])),
    scale: [0, 1, 2, 3, 4, 5].map((step) => read(`scale-${step}`)),
    font: read("font") || "sans-serif",
  };
}

/** Names from users go into charts as text: Plotly reads a small HTML in its labels. */
export function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Axis of the house: thin grid, no zero line, muted small ticks. */
export function axis(theme, title, more = {}) {
  return {
    title: { text: plain(title), font: { size: 12, color: theme.muted }, standoff: 8 },
    gridcolor: theme.line,
    linecolor: theme.line,
    zeroline: false,
    tickfont: { size: 11, color: theme.muted },
    automargin: true,
    ...more,
  };
}

/** Layout of the house. `revision` keeps a user's zoom while it stays the same. */
export function layout(theme, revision, more = {}) {
  return {
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: theme.font, size: 12, color: theme.ink },
    margin: { l: 52, r: 20, t: 12, b: 40 },
    hovermode: "closest",
    hoverdistance: 24,
    dragmode: "zoom",
    showlegend: false,
    uirevision: revision,
    ...more,
  };
}

/** So many powers of ten at most have a tick. */
const MOST_DECADES = 8;

/**
 * The y axis of a chart of objectives: it shows `values` robustly; a log axis gets ticks at 1, 2 and 5 (at all digits
 * where those are too few, at powers of ten where they are too many): Plotly names only the last digit of ticks inside
 * a decade.
 */
export function valueAxis(theme, title, values, { maximize, log, share }) {
  const range = robustRange(values, { maximize, log, share });
  if (!range) return axis(theme, title, { type: log ? "log" : "linear" });
  return axis(theme, title, { type: log ? "log" : "linear", range, ...(log ? logTicks(range) : {}) });
}

function logTicks([low, high]) {
  const stride = Math.ceil((high - low) / MOST_DECADES);
  const wide = stride > 1 || high - low > 4;
  for (const digits of wide ? [[1]] : [[1, 2, 5], [1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]]) {
    const tickvals = [];
    for (let power = Math.floor(low / stride) * stride; power <= high; power += stride) {
      for (const digit of digits) tickvals.push(Number((digit * 10 ** power).toPrecision(3)));
    }
    const seen = tickvals.filter((value) => Math.log10(value) >= low && Math.log10(value) <= high).length;
    if (seen >= 4) return { tickvals, ticktext: tickvals.map((value) => number(value, 3)) };
  }
  return {};
}

/** Whether what an axis shows of the values spreads so far that it is better a log axis: all positive, and over more than a factor 5. */
export function prefersLog(values, { maximize = false } = {}) {
  if (values.some((value) => Number.isFinite(value) && value <= 0)) return false;
  const range = robustRange(values, { maximize, log: true });
  return range !== null && range[1] - range[0] > Math.log10(5);
}

/**
 * A range that shows the race and not its wrecks: the best value, and the `share` quantile of all towards the worst.
 * Null for no finite values; on a log axis in exponents of ten, as Plotly wants them.
 */
export function robustRange(values, { maximize = false, log = false, share = 0.95 } = {}) {
  const finite = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  if (!finite.length) return null;
  const sorted = Float64Array.from(finite).sort();
  const at = (part) => sorted[Math.min(Math.floor(part * sorted.length), sorted.length - 1)];
  let [low, high] = maximize ? [at(1 - share), sorted[sorted.length - 1]] : [sorted[0], at(share)];
  if (log) [low, high] = [Math.log10(low), Math.log10(high)];
  const pad = (high - low || Math.abs(high) * 0.1 || 1) * 0.06;
  return [low - pad, high + pad];
}
