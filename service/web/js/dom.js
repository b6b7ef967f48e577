/**
 * Building and updating elements. Text always goes in as text: nothing here (or anywhere in the dashboard) parses
 * HTML, so names that came from a user's file cannot become markup.
 */

/**
 * Make an element: `el("a", {class: "chip", href: "#/jobs", onclick: go}, "Jobs")`.
 * A property that is null, undefined or false is left out; true is an empty attribute.
 */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Set a text only when it differs, so that selections and the accessibility tree are left in peace. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Put `nodes` into `parent` in this order, moving only what stands elsewhere. */
export function arrange(parent, nodes) {
  const wanted = new Set(nodes);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let place = parent.firstElementChild;
  for (const node of nodes) {
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
}

/** Collect calls and run `draw` once in the next animation frame, at most every `gap` milliseconds. */
export function onFrame(draw, gap = 0) {
  let waiting = false;
  let last = -Infinity;
  const run = () => {
    waiting = false;
    last = performance.now();
    draw();
  };
  return () => {
    if (waiting) return;
    waiting = true;
    const rest = last + gap - performance.now();
    if (rest > 0) setTimeout(() => requestAnimationFrame(run), rest);
    else requestAnimationFrame(run);
  };
}

/** Call `action` once the calls have been quiet for `milliseconds`. */
export function debounce(action, milliseconds) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), milliseconds);
  };
}

/** Say something at the edge of the page for a few seconds. */
export function toast(message, kind = "plain") {
  const node = el("p", { class: `toast ${kind}` }, message);
  document.getElementById("toasts").append(node);
  setTimeout(() => node.remove(), 6000);
}

/** A button that copies what `text()` returns. */
export function copyButton(text, label = "Copy") {
  const button = el("button", { type: "button", class: "small" }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Press Ctrl-C"; // no clipboard without a secure origin
    }
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}

/** A value that several elements follow: `follow(listener)` hears it at once, and again whenever it changes. */
export function observable(value) {
  const listeners = [];
  return {
    get: () => value,
    set(next) {
      if (JSON.stringify(next) === JSON.stringify(value)) return;
      value = next;
      for (const listener of listeners) listener(value);
    },
    follow(listener) {
      listeners.push(listener);
      listener(value);
    },
  };
}
