/** Puts figures on the page with Plotly, which is loaded on first use. The only file that knows Plotly's calls. */

import { onFrame } from "../dom.js";
import { plotlyUrl } from "../api.js";

const CONFIG = { displayModeBar: false, responsive: false, doubleClick: "reset+autosize", scrollZoom: false };
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

/** The end of the frame that shows what was just drawn: painting counts as part of a drawing's cost. */
function painted() {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}

/**
 * A clock for drawings: `ask()` runs `draw` soon, one at a time and never more than a fifth of the time, however long
 * one takes. Nothing is drawn while `holder` is out of sight; what was asked for meanwhile is drawn when it comes back.
 */
function pace(holder, draw) {
  let [busy, wanted, visible, closed] = [false, false, false, false];
  const run = async () => {
    if (busy || closed || !wanted || !visible) return;
    busy = true;
    await loadPlotly().catch(() => {}); // `draw` tells it
    wanted = false;
    const start = performance.now();
    await draw();
    await Promise.race([painted(), pause(200)]); // no frames come while the page is hidden
    await pause(Math.min(Math.max(4 * (performance.now() - start), 100), 2500));
    busy = false;
    run();
  };
  const watcher = new IntersectionObserver((entries) => {
    visible = entries.at(-1).isIntersecting;
    run();
  }, { rootMargin: "160px" });
  watcher.observe(holder);
  return {
    ask() {
      wanted = true;
      run();
    },
    close() {
      closed = true;
      watcher.disconnect();
    },
  };
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * A chart in `holder`, drawn from `figure()` whenever `redraw()` is called, as often as that can be afforded.
 * `onPoint(customdata | null, mouse event)` hears the pointer.
 */
export function mountChart(holder, figure, onPoint = () => {}) {
  let listening = false;
  const clock = pace(holder, async () => {
    try {
      const Plotly = await loadPlotly();
      if (!holder.isConnected) return;
      const { data, layout } = figure();
      await Plotly.react(holder, data, layout, CONFIG);
      listening ||= listen(holder, onPoint);
    } catch (error) {
      holder.textContent = error.message;
    }
  });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", clock.ask);
  const fit = onFrame(() => listening && window.Plotly.Plots.resize(holder), 100);
  const watcher = new ResizeObserver(fit);
  watcher.observe(holder);
  return {
    redraw: clock.ask,
    restyle: (change, index) => listening && window.Plotly.restyle(holder, change, [index]),
    close() {
      clock.close();
      watcher.disconnect();
      scheme.removeEventListener("change", clock.ask);
      window.Plotly?.purge(holder);
    },
  };
}

function listen(holder, onPoint) {
  holder.on("plotly_hover", (event) => onPoint(event.points[0].customdata ?? null, event.event));
  holder.on("plotly_unhover", () => onPoint(null, null));
  return true;
}
