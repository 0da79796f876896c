"use strict";
// Where the page's data come from: the server, or the files of an export.

const FACETS = ["outcome", "policy", "family", "env", "split", "stop_reason", "failure", "store"];
const SORTS = { order: null, reward: "reward", turns: "turns", tokens: "action_tokens",
  seconds: "seconds" };
const PAGE = 100;
const MOST_VALUES = 200;

// The filters and the order in an URL's parameters; what is none of these is dropped.
function filtersOf(parameters) {
  const kept = new URLSearchParams();
  for (const name of FACETS) for (const value of parameters.getAll(name)) kept.append(name, value);
  if (parameters.get("task")) kept.set("task", parameters.get("task"));
  const sort = parameters.get("sort");
  if (sort !== null && Object.hasOwn(SORTS, sort) && sort !== "order") kept.set("sort", sort);
  if (parameters.get("desc") === "1") kept.set("desc", "1");
  return kept;
}

class ServerData {
  run() { return this.get("run"); }
  episode(id) { return this.get("episode/" + encodeURIComponent(id)); }
  position(id, filters) {
    return this.get("position/" + encodeURIComponent(id) + "?" + filters);
  }
  episodes(filters, offset, limit) {
    const asked = new URLSearchParams(filters);
    asked.set("offset", offset);
    asked.set("limit", limit);
    return this.get("episodes?" + asked);
  }
  async get(path) {
    let response;
    try {
      response = await fetch("api/" + path);
    } catch {
      throw new Error("the server does not answer; start `reachgym view` again and reload");
    }
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    return answer;
  }
}

class ExportData {
  constructor(exported) {
    this.exported = exported;
    this.places = new Map(exported.rows.map((row, number) => [row.id, number]));
    this.loaded = new Map();
    this.waiting = new Map();
    window.reachgymEpisodes = (number, episodes) => {
      this.waiting.get(number)?.(episodes);
    };
  }
  async run() { return this.exported.run; }
  async episodes(filters, offset, limit) {
    const rows = this.chosen(filters);
    const facets = {};
    for (const name of FACETS) facets[name] = this.facet(filters, name);
    return { total: rows.length, offset, rows: rows.slice(offset, offset + limit), facets };
  }
  async position(id, filters) {
    const rows = this.chosen(filters);
    const place = rows.findIndex((row) => row.id === id);
    if (place < 0) return { position: null, previous: null, next: null };
    return { position: place, previous: rows[place - 1]?.id ?? null,
      next: rows[place + 1]?.id ?? null };
  }
  async episode(id) {
    const place = this.places.get(id);
    if (place === undefined) throw new Error("this export has no episode " + plain(id));
    const file = this.exported.files.findIndex(([first, many]) => place < first + many);
    if (!this.loaded.has(file)) this.loaded.set(file, this.load(file));
    return (await this.loaded.get(file))[place - this.exported.files[file][0]];
  }
  load(file) {
    return new Promise((resolve, reject) => {
      this.waiting.set(file, resolve);
      const script = element("script", { src: "data/episodes-" + file + ".js" });
      script.addEventListener("error", () => {
        this.loaded.delete(file);
        reject(new Error("data/episodes-" + file + ".js is missing; copy the whole folder"));
      });
      document.head.append(script);
    });
  }
  tests(filters, without) {
    const tests = [];
    for (const name of FACETS) {
      const values = new Set(filters.getAll(name));
      if (values.size && name !== without) tests.push((row) => values.has(row[name]));
    }
    const task = filters.get("task");
    if (task) tests.push((row) => row.task_id === task || row.task_hash === task);
    return tests;
  }
  matching(filters, without) {
    const tests = this.tests(filters, without);
    return this.exported.rows.filter((row) => tests.every((test) => test(row)));
  }
  chosen(filters) {
    const rows = this.matching(filters);
    const key = SORTS[filters.get("sort") || "order"];
    const sign = filters.get("desc") === "1" ? -1 : 1;
    if (!key) return sign < 0 ? rows.reverse() : rows;
    return rows.sort((a, b) => {
      if (a[key] === null || b[key] === null) return (a[key] === null) - (b[key] === null);
      return sign * (a[key] - b[key]);
    });
  }
  facet(filters, name) {
    const counts = new Map();
    for (const row of this.matching(filters, name)) {
      counts.set(row[name], (counts.get(row[name]) || 0) + 1);
    }
    const order = (a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1);
    return [...counts].sort(order).slice(0, MOST_VALUES);
  }
}

function openData() {
  return window.reachgymExport ? new ExportData(window.reachgymExport) : new ServerData();
}
