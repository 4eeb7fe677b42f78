// One row a run: its name, when it ran with its chunks as ticks, and what it has said last.

import { seconds } from "./runs.js";

const MOST_ROWS = 400;
const TICKS = 600; // places for ticks: chunks that come closer share one
const SVG = "http://www.w3.org/2000/svg";

export class Timeline {
  constructor(box, more, choose) {
    this.box = box;
    this.more = more;
    this.choose = choose;
    this.clear();
  }

  clear() {
    this.rows = [];
    this.scale = 0;
    this.chosen = null;
    this.head = element("div", "");
    this.head.id = "head";
    this.box.replaceChildren(this.head);
    this.more.hidden = true;
  }

  show(runs, time, whole, chosen) {
    while (this.rows.length < Math.min(runs.list.length, MOST_ROWS)) this.addRow(runs.list[this.rows.length]);
    this.more.hidden = runs.list.length <= MOST_ROWS;
    this.more.textContent = `${runs.list.length - MOST_ROWS} more runs are not shown here.`;
    const scaled = whole !== this.scale;
    this.scale = whole;
    for (const row of this.rows) this.showRow(row, runs, time, scaled, chosen);
    const row = chosen === this.chosen ? undefined : this.rows.find((each) => each.run === chosen);
    if (row) scrollTo(this.box.parentElement, row.button, 0);
    if (row) this.chosen = chosen;
    this.showHead(time);
  }

  addRow(run) {
    const button = element("button", "row");
    button.dataset.run = run.id;
    button.dataset.name = run.name;
    const label = element("span", "label"), lane = element("span", "lane"), said = element("span", "said");
    label.textContent = run.name;
    label.title = run.name;
    label.style.paddingLeft = `${Math.min(run.depth, 12) * 14}px`;
    const bar = element("span", "bar"), ticks = document.createElementNS(SVG, "svg");
    ticks.setAttribute("class", "ticks");
    ticks.setAttribute("preserveAspectRatio", "none");
    const path = document.createElementNS(SVG, "path");
    ticks.append(path);
    lane.append(bar, ticks);
    const words = element("bdi", "");
    said.append(words);
    button.append(label, lane, said);
    button.addEventListener("click", () => this.choose(run));
    const row = { run, button, lane, bar, ticks, path, words, text: "", below: [] };
    this.clearTicks(row);
    this.place(row);
    this.rows.push(row);
  }

  // A run stands below its parent and what has started in that before.
  place(row) {
    let above = row.run.parent && this.rows.find((each) => each.run === row.run.parent);
    if (above) {
      above.below.push(row);
      above = above.below.length > 1 ? above.below.at(-2) : above;
      while (above !== row && above.run !== row.run.parent && above.below.length) above = above.below.at(-1);
    }
    if (above) above.button.after(row.button);
    else this.box.append(row.button);
  }

  showRow(row, runs, time, scaled, chosen) {
    const { run } = row, state = runs.state(run, time), end = Math.min(run.end ?? time, time);
    set(row.button, "state", state);
    const pressed = String(run === chosen);
    if (row.button.getAttribute("aria-pressed") !== pressed) row.button.setAttribute("aria-pressed", pressed);
    row.bar.hidden = state === "waiting";
    row.bar.style.left = `${(100 * run.start) / this.scale}%`;
    row.bar.style.width = `${(100 * Math.max(0, end - run.start)) / this.scale}%`;
    row.button.title = state === "waiting" ? "" : `${run.name}: ${state}, ${seconds(Math.max(0, end - run.start))}`;
    if (scaled) row.ticks.setAttribute("viewBox", `0 0 ${this.scale} 8`);
    this.showTicks(row, runs.chunkCount(run, time), scaled);
    const text = state === "failed" ? run.error : runs.streamed(run, time, 100).replace(/\s+/g, " ");
    if (text !== row.text) row.words.textContent = row.text = text;
  }

  showTicks(row, count, scaled) {
    if (scaled || count < row.ticked) this.clearTicks(row);
    if (count === row.ticked) return;
    let more = "";
    for (; row.ticked < count; row.ticked++) {
      const when = row.run.chunkTimes[row.ticked], place = Math.floor((when / this.scale) * TICKS);
      if (place === row.place) continue;
      row.place = place;
      more += `M${when.toFixed(2)} 0v8`;
    }
    if (!more) return;
    row.marks += more;
    row.path.setAttribute("d", row.marks);
  }

  clearTicks(row) {
    row.ticked = 0; // chunks that were looked at
    row.place = -1; // of the last tick
    row.marks = "";
    row.path.removeAttribute("d");
  }

  showHead(time) {
    const lane = this.rows[0]?.lane;
    this.head.hidden = lane === undefined;
    if (lane !== undefined) this.head.style.left = `${lane.offsetLeft + (lane.clientWidth * time) / this.scale}px`;
  }
}

// Scroll a box, and nothing around it, until a part of it is seen with some room around it.
export function scrollTo(box, part, room) {
  const own = part.getBoundingClientRect(), seen = box.getBoundingClientRect();
  const way = (start, end, from, to) => (start < from ? start - from : Math.max(0, Math.min(end - to, start - from)));
  box.scrollBy(
    way(own.left - room, own.right + room, seen.left, seen.right),
    way(own.top - room, own.bottom + room, seen.top, seen.bottom),
  );
}

export function element(tag, name) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  return made;
}

export function set(node, key, value) {
  if (node.dataset[key] !== value) node.dataset[key] = value;
}
