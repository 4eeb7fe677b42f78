// What is known of the runs, and how it was at any time. Times are milliseconds since the first run started.

const MOST_TEXT = 1_000_000; // characters kept of what one run has streamed

export class Runs {
  constructor() {
    this.list = [];
    this.moments = []; // when a run started or ended
    this.began = null; // in seconds since the epoch
    this.last = 0;
    this.over = false;
  }

  add(fact) {
    if (this.began === null) this.began = fact.at;
    const at = Math.max(0, (fact.at - this.began) * 1000);
    this.last = Math.max(this.last, at);
    if (fact.do === "start") return this.start(fact, at);
    const run = this.list[fact.run];
    if (fact.do === "chunk") {
      run.chunkTimes.push(at);
      run.chunks.push(run.kept < MOST_TEXT ? fact.text : "");
      run.kept += fact.text.length;
      return;
    }
    if (fact.do === "say") {
      run.said.push({ at, text: `${fact.name}: ${fact.text}` });
      return;
    }
    run.end = at;
    this.moments.push(at);
    run.input = fact.input ?? run.input;
    if (fact.do === "end") {
      run.final = "done";
      run.output = fact.output;
    } else {
      run.final = fact.stopped ? "cancelled" : "failed";
      run.error = fact.error;
    }
  }

  start(fact, at) {
    const parent = this.list[fact.parent] ?? null;
    this.list[fact.run] = {
      id: fact.run, name: fact.name, type: fact.type, part: fact.part, level: fact.level, parent,
      depth: parent === null ? 0 : parent.depth + 1, start: at, end: null, final: null,
      input: fact.input ?? "", output: "", error: "", chunkTimes: [], chunks: [], kept: 0, said: [],
    };
    this.moments.push(at);
  }

  // Of a run, at a time

  state(run, time) {
    if (run.start > time) return "waiting";
    if (run.end !== null && run.end <= time) return run.final;
    return this.over && time >= this.last && run.end === null ? "cancelled" : "running";
  }

  chunkCount(run, time) {
    let low = 0, high = run.chunkTimes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (run.chunkTimes[middle] <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  // What it has said, or the end of that
  streamed(run, time, length) {
    const last = this.chunkCount(run, time);
    let first = last, size = 0;
    while (first > 0 && size <= length) size += run.chunks[--first].length;
    const text = run.chunks.slice(first, last).join("");
    return text.length > length ? `…${text.slice(-length)}` : text;
  }

  // What a part of the picture shows at a time, given the runs that it stands for. A failure counts unless it was
  // tried again: another run began when it was over.
  partState(runs, time) {
    const begun = runs.filter((run) => run.start <= time);
    if (begun.some((run) => this.state(run, time) === "running")) return "running";
    const retried = (run) => begun.some((other) => other !== run && other.start >= run.end);
    if (begun.some((run) => this.state(run, time) === "failed" && !retried(run))) return "failed";
    return begun.length ? this.state(begun.at(-1), time) : "waiting";
  }

  wholeState(time) {
    const roots = this.list.filter((run) => run.parent === null);
    return roots.length ? this.partState(roots, time) : "waiting";
  }
}

export function seconds(ms) {
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(2)} s` : `${Math.floor(ms / 60_000)} min ${Math.round(ms / 1000) % 60} s`;
}
