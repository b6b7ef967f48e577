/** Panels that are read anew while a job runs: one look at a time, the newest wish is never lost. */

import { JOB_ENDED } from "../state.js";

/** All items of a list that comes in pages; `get(cursor)` answers one. */
export async function allItems(get) {
  const found = [];
  let cursor = null;
  do {
    const page = await get(cursor);
    found.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return found;
}

/**
 * Gives a panel `update()`, which reads and draws, and `close()`. While its job runs, `rest` milliseconds lie between
 * two looks. `read()` answers what `draw` shows; `fail(problem)` hears what went wrong; `end()` is called by close.
 */
export function refreshed(node, race, rest, { read, draw, fail, end }) {
  let [busy, stale, closed] = [false, false, false];
  node.update = async () => {
    stale = true;
    if (node.hidden || busy || closed) return;
    busy = true;
    stale = false;
    await read().then((found) => closed || draw(found), fail);
    await new Promise((resolve) => setTimeout(resolve, JOB_ENDED.has(race.job.state) ? 0 : rest));
    busy = false;
    if (stale) node.update();
  };
  node.close = () => {
    closed = true;
    end();
  };
  node.update();
  return node;
}
