"use strict";
(() => {
  const box = document.getElementById("timeline");
  const svg = box.querySelector("svg");
  const told = document.getElementById("told");
  const length = Number(box.dataset.length);
  const margin = Number(box.dataset.margin);
  const width = Number(box.dataset.width);
  const character = Number(box.dataset.character);
  const crowded = box.dataset.crowded === "true";
  const axis = svg.querySelector(".axis");
  const lineEnds = axis.querySelector("line");
  const room = width - 2 * margin;

  const bars = [...svg.querySelectorAll(".bar")].map((group) => {
    const ticks = group.querySelector(".ticks");
    return {
      group,
      start: Number(group.dataset.start),
      end: Number(group.dataset.end),
      rects: [...group.querySelectorAll("rect")],
      label: group.querySelector("text"),
      ticks,
      times: ticks ? ticks.dataset.times.split(" ").map(Number) : [],
      tickTop: ticks ? ticks.getAttribute("d").match(/ ([\d.]+)v/)[1] : 0,
    };
  });

  let from = 0;
  let span = length;
  let asked = false;

  const at = (time) => margin + ((time - from) / span) * room;
  const show = (element, shown) => element.setAttribute("display", shown ? "inline" : "none");

  function place(bar) {
    const left = at(bar.start);
    const right = at(bar.end);
    const seen = right >= 0 && left <= width;
    show(bar.group, seen);
    if (!seen) return;
    const x = Math.max(left, -10);
    const shownWidth = Math.max(1.5, Math.min(right, width + 10) - x);
    for (const rect of bar.rects) {
      rect.setAttribute("x", x);
      rect.setAttribute("width", shownWidth);
    }
    const visible = Math.min(right, width) - Math.max(left, 0);
    const inside = visible >= bar.label.textContent.length * character + 8;
    show(bar.label, inside || !crowded);
    const needed = bar.label.textContent.length * character + 12;
    const before = !inside && x + shownWidth + needed > width && left - needed > 0;
    bar.label.setAttribute("text-anchor", before ? "end" : "start");
    bar.label.setAttribute("x", inside ? Math.max(left, 0) + 4 : before ? left - 4 : x + shownWidth + 4);
    if (bar.ticks) bar.ticks.setAttribute("d", ticks(bar));
  }

  // At most one tick a pixel.
  function ticks(bar) {
    let path = "";
    let last = -Infinity;
    for (const time of bar.times) {
      const x = at(time);
      if (x < 0 || x - last < 1.5) continue;
      if (x > width) break;
      path += `M${x.toFixed(1)} ${bar.tickTop}v4`;
      last = x;
    }
    return path;
  }

  function said(time, step) {
    const units = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"]];
    const [unit, name] = units.find(([each]) => step >= each) || units[2];
    const digits = Math.max(0, Math.ceil(-Math.log10(step / unit)));
    if (time >= 60 && step >= 1) return `${Math.floor(time / 60)} min ${(time % 60).toFixed(0)} s`;
    return time === 0 ? "0" : `${(time / unit).toFixed(digits)} ${name}`;
  }

  const minutes = [15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
  function stepOfAxis() {
    const rough = (span / 10) * 0.999999;
    if (span > 120) return minutes.find((each) => each >= rough) || rough;
    const unit = 10 ** Math.floor(Math.log10(rough));
    return [1, 2, 5, 10].map((each) => each * unit).find((each) => each >= rough);
  }

  function drawAxis() {
    const step = stepOfAxis();
    const y1 = lineEnds.getAttribute("y1");
    const y2 = lineEnds.getAttribute("y2");
    const made = [];
    for (let number = Math.ceil(from / step - 1e-9); number * step <= from + span * 1.000001; number += 1) {
      const x = at(number * step);
      const line = document.createElementNS(svg.namespaceURI, "line");
      for (const [name, value] of [["x1", x], ["x2", x], ["y1", y1], ["y2", y2]]) line.setAttribute(name, value);
      const text = document.createElementNS(svg.namespaceURI, "text");
      text.setAttribute("x", x + 3);
      text.setAttribute("y", Number(y1) - 3);
      text.textContent = said(number * step, step);
      made.push(line, text);
    }
    axis.replaceChildren(...made);
  }

  function draw() {
    asked = false;
    bars.forEach(place);
    drawAxis();
  }

  function look(newFrom, newSpan) {
    span = Math.min(length, Math.max(newSpan, length * 1e-6));
    from = Math.min(Math.max(0, newFrom), length - span);
    if (!asked) {
      asked = true;
      requestAnimationFrame(draw);
    }
  }

  function zoom(factor, share) {
    const time = from + share * span;
    const wanted = Math.min(length, Math.max(span * factor, length * 1e-6));
    look(time - share * wanted, wanted);
  }

  const perPixel = () => (span / room) * (width / svg.getBoundingClientRect().width);
  function shareOf(event) {
    const bounds = svg.getBoundingClientRect();
    const x = ((event.clientX - bounds.left) / bounds.width) * width;
    return Math.min(1, Math.max(0, (x - margin) / room));
  }

  box.addEventListener("wheel", (event) => {
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      look(from + (event.deltaX || event.deltaY) * perPixel(), span);
    } else if (event.ctrlKey || event.metaKey || svg.getBoundingClientRect().height <= window.innerHeight) {
      zoom(Math.exp(event.deltaY / 400), shareOf(event));
    } else {
      return; // the page is scrolled
    }
    event.preventDefault();
  }, { passive: false });

  let drag = null;
  box.addEventListener("pointerdown", (event) => { drag = { x: event.clientX, from, moved: false }; });
  window.addEventListener("pointermove", (event) => {
    if (!drag || !event.buttons) return;
    const by = event.clientX - drag.x;
    drag.moved = drag.moved || Math.abs(by) > 4;
    if (drag.moved) look(drag.from - by * perPixel(), span);
  });

  box.addEventListener("click", (event) => {
    const group = event.target.closest(".bar");
    const moved = drag && drag.moved;
    drag = null;
    if (moved) return;
    for (const bar of bars) bar.group.classList.toggle("chosen", bar.group === group);
    told.textContent = group ? group.querySelector("title").textContent : "";
  });

  box.addEventListener("keydown", (event) => {
    const acts = {
      "+": () => zoom(0.6, 0.5),
      "=": () => zoom(0.6, 0.5),
      "-": () => zoom(1 / 0.6, 0.5),
      "0": () => look(0, length),
      ArrowLeft: () => look(from - span / 8, span),
      ArrowRight: () => look(from + span / 8, span),
    };
    const act = acts[event.key];
    if (act && !event.ctrlKey && !event.metaKey) {
      act();
      event.preventDefault();
    }
  });
})();
