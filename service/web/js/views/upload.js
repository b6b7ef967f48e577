/** Uploading a table, by choosing or dropping a file. */

import { api } from "../api.js";
import { el } from "../dom.js";
import { bytes } from "../format.js";
import { problemBox } from "./parts.js";

const ACCEPT = ".csv,.parquet,.pq,.gz,text/csv";

/** A drop zone; `onDone(dataset)` hears the stored dataset. */
export function uploadBox(onDone) {
  const input = el("input", { type: "file", accept: ACCEPT, class: "upload-input" });
  const say = el("span", { class: "upload-text", role: "status" }, "CSV or Parquet, plain or gzipped");
  const trouble = el("div", { class: "trouble" });
  const zone = el("label", { class: "upload" }, el("span", { class: "upload-title" }, "Upload a table"), say, input);
  const send = async (file) => {
    if (!file) return;
    zone.setAttribute("aria-busy", "true");
    say.textContent = `Reading ${file.name} (${bytes(file.size)}) …`;
    trouble.replaceChildren();
    try {
      const dataset = await api.upload(file, file.name.replace(/(\.csv|\.parquet|\.pq)?(\.gz)?$/i, ""));
      say.textContent = `${file.name} is stored.`;
      onDone(dataset);
    } catch (problem) {
      say.textContent = "CSV or Parquet, plain or gzipped";
      trouble.replaceChildren(problemBox(problem));
    } finally {
      zone.removeAttribute("aria-busy");
      input.value = "";
    }
  };
  input.addEventListener("change", () => send(input.files[0]));
  zone.addEventListener("dragover", (event) => {
    event.preventDefault();
    zone.classList.add("over");
  });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    send(event.dataTransfer.files[0]);
  });
  return el("div", { class: "upload-box" }, zone, trouble);
}
