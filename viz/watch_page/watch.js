// The page: follows the facts of a run, and shows it as it is, or as it was at the time of the slider.

import { Picture } from "./picture.js";
import { Runs, seconds } from "./runs.js";
import { Timeline, set } from "./timeline.js";

const MOST_SHOWN = 10_000; // characters of a text that still grows, or grew
const PAUSE = 40; // milliseconds between two pictures

const at = (id) => document.getElementById(id);
const picture = new Picture(at("picture"), choose);
const timeline = new Timeline(at("rows"), at("more"), choose);

let runs = new Runs();
let chosen = null; // by the user; otherwise the first run, or what has failed first
let time = 0; // what is shown
let follows = true; // the latest is shown
let playing = null; // when the last frame of a replay was
let failure = ""; // of a run that never began
let dirty = true;
let shown = 0; // when the last picture was done

function choose(run) {
  chosen = run;
  dirty = true;
}

// Facts

function listen() {
  const source = new EventSource("facts");
  source.addEventListener("begin", () => {
    runs = new Runs();
    chosen = null;
    picture.clear();
    timeline.clear();
    dirty = true;
  });
  source.addEventListener("message", (event) => {
    for (const fact of JSON.parse(event.data)) runs.add(fact);
    dirty = true;
  });
  source.addEventListener("over", (event) => {
    source.close();
    runs.over = true;
    runs.moments.sort((one, other) => one - other);
    failure = JSON.parse(event.data).failure ?? "";
    dirty = true;
  });
  source.addEventListener("error", () => {
    if (!runs.over) at("error").textContent = "The page has lost its server.";
  });
}

// Time

const isLive = () => !runs.over && runs.began !== null;
const now = () => (isLive() ? Math.max(runs.last, Date.now() - runs.began * 1000) : runs.last);

// The timeline's width in time: while it grows it does so in steps.
function whole() {
  if (!isLive()) return Math.max(runs.last, 1);
  let scale = 500;
  while (scale < now()) scale *= 1.5;
  return scale;
}

function goTo(when) {
  time = Math.max(0, Math.min(when, now()));
  follows = isLive() && when >= now();
  dirty = true;
}

function step(direction) {
  playing = null;
  const later = runs.moments.filter((each) => (direction > 0 ? each > time + 1e-6 : each < time - 1e-6));
  goTo(later.length ? (direction > 0 ? Math.min(...later) : Math.max(...later)) : direction > 0 ? now() : 0);
}

function togglePlay() {
  if (playing !== null) {
    playing = null;
  } else {
    if (time >= now()) goTo(0);
    follows = false;
    playing = performance.now();
  }
  dirty = true;
}

function pass(frame) {
  if (playing !== null) {
    time += (frame - playing) * Number(at("speed").value);
    playing = frame;
    dirty = true;
    if (time >= now()) {
      playing = null;
      goTo(now());
    }
  } else if (follows) {
    dirty ||= isLive();
    time = now();
  }
  if (dirty && frame - shown >= PAUSE) {
    dirty = false;
    show();
    shown = performance.now(); // so that half of the time is left for what comes, however long this took
  }
  requestAnimationFrame(pass);
}

// What is seen

function show() {
  const state = failure ? "failed" : runs.wholeState(time);
  set(document.body, "state", state);
  put("state", state);
  set(at("state"), "state", state);
  const fatal = runs.list.filter((run) => runs.state(run, time) === "failed" && isFatal(run));
  const failed = fatal.findLast((run) => run.parent === fatal[0].parent && run.name === fatal[0].name); // attempt
  put("error", failure || (failed && state === "failed" ? `${failed.name}: ${failed.error}` : ""));
  put("time", runs.list.length ? seconds(Math.min(time, runs.last > 0 && runs.over ? runs.last : time)) : "");
  const focus = chosen ?? (state === "failed" && failed ? failed : (runs.list[0] ?? null));
  const scale = whole();
  timeline.show(runs, time, scale, focus);
  picture.show(runs, time, focus);
  if (focus !== null) showDetails(focus);
  at("slider").value = Math.round((1000 * time) / Math.max(now(), 1e-9));
  put("clock", `${seconds(time)} of ${seconds(now())}`);
  put("play", playing === null ? "▶" : "❚❚");
  at("play").ariaLabel = playing === null ? "Play" : "Pause";
  at("stop").hidden = !isLive();
  at("live").hidden = !isLive() || follows;
  document.body.dataset.over = runs.over;
}

// A failure that ended the whole, not one that something has made good: nothing failed below it.
function isFatal(run) {
  for (let around = run; around !== null; around = around.parent) if (around.final !== "failed") return false;
  return !runs.list.some((other) => other.parent === run && other.final === "failed");
}

function showDetails(run) {
  const state = runs.state(run, time), count = runs.chunkCount(run, time);
  put("name", run.name);
  set(at("details"), "state", state);
  set(at("details"), "run", String(run.id));
  const took = state === "waiting" ? "" : seconds(Math.max(0, Math.min(run.end ?? time, time) - run.start));
  const chunks = count ? `${count} chunk${count > 1 ? "s" : ""}` : "";
  put("facts", [run.type.replace("_", " "), state, took, chunks].filter(Boolean).join(" · "));
  const streamed = runs.streamed(run, time, MOST_SHOWN);
  fill("failed", state === "failed" || state === "cancelled" ? run.error : "");
  fill("output", state === "done" && !streamed ? run.output : streamed, state === "done" ? "Output" : "Output so far");
  fill("input", state === "waiting" ? "" : run.input);
  fill("told", run.said.filter((each) => each.at <= time).map((each) => each.text).join("\n"));
}

function fill(id, text, title) {
  const box = at(id), body = box.querySelector("pre");
  box.hidden = !text;
  if (title) box.querySelector("h3").textContent = title;
  if (body.textContent !== text) {
    const low = body.scrollTop + body.clientHeight >= body.scrollHeight - 8;
    body.textContent = text;
    if (low) body.scrollTop = body.scrollHeight; // who reads the end goes on doing so
  }
}

function put(id, text) {
  const node = at(id);
  if (node.textContent !== text) node.textContent = text;
}

// What the user does

at("slider").addEventListener("input", (event) => {
  playing = null;
  const part = Number(event.target.value) / 1000;
  goTo(part >= 1 ? now() : part * now());
});
at("play").addEventListener("click", togglePlay);
at("back").addEventListener("click", () => step(-1));
at("forward").addEventListener("click", () => step(1));
at("live").addEventListener("click", () => {
  playing = null;
  follows = true;
  dirty = true;
});
at("stop").addEventListener("click", () => fetch("stop", { method: "POST" }));
addEventListener("resize", () => (dirty = true));

const about = await (await fetch("about")).json();
document.title = `${about.title} · anabranch`;
put("title", about.title);
if (about.picture) await picture.load("picture", about.why);
else picture.say(about.why);
listen();
requestAnimationFrame(pass);
