// The graph, whose parts show the states of the runs that they stand for.

import { scrollTo, set } from "./timeline.js";

const XLINK = "http://www.w3.org/1999/xlink";
const LEAST = 0.7; // of its size: what is larger than the box even then is scrolled
const ROOM = 40; // around what is scrolled to

export class Picture {
  constructor(box, choose) {
    this.box = box;
    this.choose = choose;
    this.parts = new Map(); // id of an element -> the element and its runs
    this.known = 0;
  }

  // Read as an XML document, so nothing in it is ever taken for HTML.
  load(address, why) {
    return new Promise((done) => {
      const request = new XMLHttpRequest();
      request.responseType = "document";
      request.open("GET", address);
      request.onloadend = () => {
        const svg = request.responseXML?.documentElement;
        if (svg?.localName === "svg") this.put(document.importNode(svg, true));
        else this.say(why);
        done();
      };
      request.send();
    });
  }

  say(why) {
    const told = document.createElement("p");
    told.textContent = why;
    this.box.replaceChildren(told);
    this.box.parentElement.classList.add("bare"); // there is room for the rest
  }

  put(svg) {
    for (const part of svg.querySelectorAll(".node, .cluster, .edge")) {
      const link = part.querySelector("a"), title = part.querySelector("title");
      const told = link?.getAttributeNS(XLINK, "title") ?? "";
      if (title) title.textContent = told; // the browser shows it as a tooltip
      if (part.classList.contains("edge")) continue;
      this.parts.set(part.id, { part, runs: [] });
      set(part, "state", "waiting");
    }
    this.box.replaceChildren(svg);
    this.svg = svg;
    new ResizeObserver(() => this.fit()).observe(this.box);
  }

  // Whole if that can be read, in points of its own size.
  fit() {
    const { width, height } = this.svg.viewBox.baseVal, point = 4 / 3, style = getComputedStyle(this.box);
    const wide = this.box.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const high = this.box.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    const scale = point * Math.max(LEAST, Math.min(1, wide / width / point, high / height / point));
    this.svg.style.width = `${width * scale}px`;
    this.svg.style.height = `${height * scale}px`;
  }

  // Scroll to what begins, and to what is chosen, but not below a pointer.
  reveal(part) {
    if (!this.box.matches(":hover")) scrollTo(this.box, part, ROOM);
  }

  clear() {
    this.known = 0;
    for (const each of this.parts.values()) each.runs = [];
  }

  show(runs, time, chosen) {
    for (; this.known < runs.list.length; this.known++) {
      const run = runs.list[this.known];
      for (const id of run.level === 0 ? run.part.split(" ") : []) {
        const known = this.parts.get(id);
        if (known === undefined) continue;
        if (!known.runs.length) known.part.addEventListener("click", (event) => this.clicked(event, known));
        known.part.dataset.run = run.id;
        known.runs.push(run);
      }
    }
    const skipped = runs.over && time >= runs.last, at = chosen?.part?.split(" ") ?? [];
    for (const { part, runs: own } of this.parts.values()) {
      const state = own.length ? runs.partState(own, time) : "waiting";
      const plain = part.matches(".input, .output, .join, .merge, .cluster");
      const isChosen = at.includes(part.id);
      const begins = state === "running" && part.dataset.state !== state;
      if (part.matches(".node") && (begins || (isChosen && !part.classList.contains("chosen")))) this.reveal(part);
      set(part, "state", state === "waiting" && skipped && !plain ? "skipped" : state);
      part.classList.toggle("chosen", isChosen);
    }
  }

  clicked(event, known) {
    event.stopPropagation();
    this.choose(known.runs.at(-1));
  }
}
