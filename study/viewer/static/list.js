"use strict";
// The list of episodes: facets with counts, a table, pages.

const FACET_TITLES = { outcome: "Outcome", policy: "Policy", family: "Family", env: "Environment",
  split: "Split", stop_reason: "Stop reason", failure: "Failure", store: "Store" };
const COLUMNS = [
  ["#", "order"], ["Outcome"], ["Reward", "reward"], ["Task"], ["Policy"],
  ["Stop"], ["Turns", "turns"], ["Tokens", "tokens"], ["Calls"], ["Time", "seconds"],
  ["Environment"]];
const folded = new Map();

function listLink(filters, offset) {
  const parameters = new URLSearchParams(filters);
  if (offset) parameters.set("offset", offset);
  return "#/episodes" + (parameters.size ? "?" + parameters : "");
}

function episodeLink(id, filters) {
  return "#/episode/" + encodeURIComponent(id) + (filters.size ? "?" + filters : "");
}

function listView(page, filters, offset, marked) {
  const title = page.total === 1 ? "1 episode" : count(page.total) + " episodes";
  return element("div", { class: "list" },
    facetsPart(page.facets, filters),
    element("section", { class: "results", "aria-label": "Episodes" },
      element("div", { class: "bar" },
        element("h1", { id: "total" }, title),
        searchPart(filters),
        filters.size ? element("a", { class: "clear", href: "#/episodes" }, "Clear all") : null),
      markedPart(marked),
      page.rows.length ? tablePart(page.rows, filters, offset) : emptyPart(page, offset, filters),
      pagesPart(page.total, filters, offset)));
}

function facetsPart(facets, filters) {
  const parts = FACETS.map((name) => facetPart(name, facets[name], filters));
  const chosen = FACETS.filter((name) => filters.has(name)).length;
  return element("details", { class: "facets", id: "facets", open: folded.get("facets") ?? wide(),
    ontoggle: remember("facets") },
    element("summary", {}, "Filters" + (chosen ? " (" + chosen + ")" : "")), parts);
}

function wide() {
  return window.matchMedia("(min-width: 800px)").matches;
}

function remember(name) {
  return (event) => {
    if (event.target === event.currentTarget) folded.set(name, event.target.open);
  };
}

function facetPart(name, counts, filters) {
  const chosen = filters.getAll(name);
  const known = new Set(counts.map(([value]) => value));
  const gone = chosen.filter((value) => !known.has(value)).map((value) => [value, 0]);
  const items = [...counts, ...gone].map(([value, many], number) => {
    const box = element("input", { type: "checkbox", id: "facet-" + name + "-" + number,
      checked: chosen.includes(value), "data-facet": name, "data-value": value,
      onchange: () => toggleValue(filters, name, value) });
    return element("li", {}, element("label", { title: plain(value) || "none" }, box,
      element("span", { class: "value" }, value === "" ? "none" : isolated(value)),
      element("span", { class: "many" }, count(many))));
  });
  const open = folded.get(name) ?? (items.length > 1 || chosen.length > 0);
  return element("details", { class: "facet", "data-name": name, open, ontoggle: remember(name) },
    element("summary", {}, FACET_TITLES[name]), element("ul", {}, items));
}

function toggleValue(filters, name, value) {
  const next = new URLSearchParams(filters);
  const values = next.getAll(name);
  next.delete(name);
  const kept = values.includes(value) ? values.filter((v) => v !== value) : [...values, value];
  for (const one of kept) next.append(name, one);
  location.hash = listLink(next, 0);
}

function searchPart(filters) {
  const input = element("input", { type: "search", id: "search", value: filters.get("task") || "",
    placeholder: "task id or hash", "aria-label": "Search by task id or hash", spellcheck: "false",
    autocomplete: "off" });
  return element("form", { role: "search", onsubmit: (event) => {
    event.preventDefault();
    const next = new URLSearchParams(filters);
    if (input.value.trim()) next.set("task", input.value.trim());
    else next.delete("task");
    location.hash = listLink(next, 0);
  } }, input, element("button", { type: "submit" }, "Search"));
}

function markedPart(marked) {
  if (!marked) return null;
  return element("p", { class: "marked" }, "Marked to compare: ", isolated(marked.label),
    ". Press ", element("kbd", {}, "c"), " on another, or ", element("kbd", {}, "Esc"), ".");
}

function headPart(filters) {
  const sorted = filters.get("sort") || "order";
  const down = filters.get("desc") === "1";
  return element("tr", {}, COLUMNS.map(([title, sort]) => {
    if (!sort) return element("th", { scope: "col" }, title);
    const next = new URLSearchParams(filters);
    next.delete("sort");
    next.delete("desc");
    if (sort !== "order") next.set("sort", sort);
    // A column that is not sorted by begins with its largest, the order with its first.
    if (sort === sorted ? !down : sort !== "order") next.set("desc", "1");
    const arrow = sort === sorted ? (down ? " \u25bc" : " \u25b2") : "";
    return element("th", { scope: "col", class: "number",
      "aria-sort": sort === sorted ? (down ? "descending" : "ascending") : "none" },
      element("a", { href: listLink(next, 0), "data-sort": sort }, title, arrow));
  }));
}

function tablePart(rows, filters, offset) {
  const body = rows.map((row, number) => element("tr",
    { "data-id": row.id, onclick: (event) => follow(event, episodeLink(row.id, filters)) },
    element("td", { class: "number quiet" }, count(offset + number + 1)),
    element("td", {}, badge(row.outcome)),
    element("td", { class: "number" }, amount(row.reward)),
    element("td", { class: "name" },
      element("a", { href: episodeLink(row.id, filters) }, isolated(row.task_id))),
    element("td", { class: "name" }, isolated(row.policy),
      row.version ? element("span", { class: "quiet" }, " v" + row.version) : null),
    element("td", { class: "name" }, isolated(row.failure || row.stop_reason)),
    element("td", { class: "number" }, count(row.turns)),
    element("td", { class: "number" }, count(row.action_tokens)),
    element("td", { class: "number" }, count(row.tool_calls),
      row.tool_errors ? element("span", { class: "wrong", title: "tool errors" },
        " \u2717" + count(row.tool_errors)) : null),
    element("td", { class: "number" }, seconds(row.seconds)),
    element("td", { class: "name quiet" }, isolated(row.env))));
  return element("div", { class: "wide", tabindex: "0", role: "region",
    "aria-label": "Table of episodes" },
    element("table", {}, element("thead", {}, headPart(filters)), element("tbody", {}, body)));
}

function follow(event, link) {
  if (event.target.closest("a") || String(window.getSelection())) return;
  location.hash = link;
}

function emptyPart(page, offset, filters) {
  if (page.total) {
    return element("p", {}, "There are fewer pages. ",
      element("a", { href: listLink(filters, 0) }, "Go to the first"));
  }
  return element("p", { class: "empty" }, "No episode matches these filters.");
}

function pagesPart(total, filters, offset) {
  if (total <= PAGE && !offset) return null;
  const last = Math.max(0, Math.floor((total - 1) / PAGE) * PAGE);
  const link = (title, to, usable) => usable
    ? element("a", { href: listLink(filters, to), "data-page": title }, title)
    : element("span", { class: "quiet" }, title);
  const end = Math.min(total, offset + PAGE);
  return element("nav", { class: "pages", "aria-label": "Pages" },
    link("First", 0, offset > 0), link("Previous", Math.max(0, offset - PAGE), offset > 0),
    element("span", {}, count(Math.min(total, offset + 1)) + "\u2013" + count(end) + " of " +
      count(total)),
    link("Next", offset + PAGE, offset + PAGE < total), link("Last", last, offset < last));
}
