/** Puts figures on the page with Plotly, which is loaded on first use. The only file that knows Plotly's calls. */

import { onFrame } from "../dom.js";
import { plotlyUrl } from "../api.js";

const CONFIG = { displayModeBar: false, responsive: true, doubleClick: "reset+autosize", scrollZoom: false };
let loading = null;

/** Load Plotly once; rejects with a sentence when it cannot be had. */
export function loadPlotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = plotlyUrl();
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => reject(new Error("the charts could not be loaded")));
    document.head.append(script);
  });
  return loading;
}

/**
 * A chart in `holder`, drawn from `figure()` whenever `redraw()` is called: at most once a frame, and never more than
 * a fifth of the time, however long one drawing takes. `onPoint(customdata | null, mouse event)` hears the pointer.
 */
export function mountChart(holder, figure, onPoint = () => {}) {
  let [drawing, stale, closed, listening, cost] = [false, false, false, false, 0];
  const draw = async () => {
    if (closed || !holder.isConnected) return;
    if (drawing) {
      stale = true;
      return;
    }
    drawing = true;
    try {
      const Plotly = await loadPlotly();
      if (closed) return;
      const start = performance.now();
      const { data, layout } = figure();
      await Plotly.react(holder, data, layout, CONFIG);
      cost = performance.now() - start;
      if (!listening) listening = listen(holder, onPoint);
    } catch (error) {
      holder.textContent = error.message;
    } finally {
      drawing = false;
      if (stale) setTimeout(() => ((stale = false), redraw()), cost * 4);
    }
  };
  const redraw = onFrame(draw, 120);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", redraw);
  return {
    redraw,
    restyle: (change, index) => window.Plotly && listening && window.Plotly.restyle(holder, change, [index]),
    close() {
      closed = true;
      scheme.removeEventListener("change", redraw);
      window.Plotly?.purge(holder);
    },
  };
}

function listen(holder, onPoint) {
  holder.on("plotly_hover", (event) => onPoint(event.points[0].customdata ?? null, event.event));
  holder.on("plotly_unhover", () => onPoint(null, null));
  return true;
}
