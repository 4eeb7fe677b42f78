// The graph, whose parts show the states of the runs that they stand for.

import { set } from "./timeline.js";

const XLINK = "http://www.w3.org/1999/xlink";

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
    this.box.classList.toggle("large", svg.viewBox.baseVal.width > 1600 || svg.viewBox.baseVal.height > 1600);
  }

  clear() {
    this.known = 0;
    for (const each of this.parts.values()) each.runs = [];
  }

  show(runs, time, chosen) {
    for (; this.known < runs.list.length; this.known++) {
      const run = runs.list[this.known], known = this.parts.get(run.part);
      if (known === undefined || run.level !== 0) continue;
      if (!known.runs.length) known.part.addEventListener("click", (event) => this.clicked(event, known));
      known.part.dataset.run = run.id;
      known.runs.push(run);
    }
    const skipped = runs.over && time >= runs.last;
    for (const { part, runs: own } of this.parts.values()) {
      const state = own.length ? runs.partState(own, time) : "waiting";
      const plain = part.matches(".input, .output, .join, .merge, .choice, .cluster");
      set(part, "state", state === "waiting" && skipped && !plain ? "skipped" : state);
      part.classList.toggle("chosen", chosen !== null && own.includes(chosen));
    }
  }

  clicked(event, known) {
    event.stopPropagation();
    this.choose(known.runs.at(-1));
  }
}
