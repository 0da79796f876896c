"use strict";
// Which view the address asks for, and the keys.

const main = document.getElementById("main");
const help = document.getElementById("help");
const data = openData();
const state = { view: "list", filters: new URLSearchParams(), offset: 0, episodes: [], place: null,
  marked: null, tokens: false, selected: null, shown: 0 };

function routeOf(hash) {
  const [path, asked] = splitOnce(hash.replace(/^#\/?/, ""), "?");
  const parameters = new URLSearchParams(asked);
  const [view, ...ids] = path.split("/").map(decoded);
  const offset = Number(parameters.get("offset") || 0);
  return { view, ids, filters: filtersOf(parameters),
    offset: Number.isSafeInteger(offset) && offset > 0 ? offset : 0 };
}

function splitOnce(text, by) {
  const at = text.indexOf(by);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

async function show() {
  const route = routeOf(location.hash);
  const number = ++state.shown;
  const focused = document.activeElement?.id;
  main.setAttribute("aria-busy", "true");
  try {
    const made = await viewOf(route);
    // Another was asked for meanwhile.
    if (number !== state.shown) return;
    Object.assign(state, made.state);
    main.replaceChildren(made.view);
    document.title = made.title + " \u00b7 reachgym";
    settle(focused);
  } catch (error) {
    if (number !== state.shown) return;
    state.view = "error";
    main.replaceChildren(element("p", { class: "box wrong", role: "alert" }, plain(error.message),
      " ", element("a", { href: "#/episodes", id: "back" }, "Back to the list")));
  } finally {
    if (number === state.shown) main.removeAttribute("aria-busy");
  }
}

async function viewOf({ view, ids, filters, offset }) {
  const shared = { filters, offset };
  if (view === "episode" && ids.length === 1) {
    const [episode, place] = await Promise.all([
      data.episode(ids[0]), data.position(ids[0], filters)]);
    return { title: plain(episode.row.task_id), view: episodeView(episode, place, filters, false),
      state: { ...shared, view, episodes: [episode], place } };
  }
  if (view === "compare" && ids.length === 2) {
    const [one, other] = await Promise.all(ids.map((id) => data.episode(id)));
    return { title: "Comparison", view: compareView(one, other, filters),
      state: { ...shared, view, episodes: [one, other], place: null } };
  }
  const page = await data.episodes(filters, offset, PAGE);
  return { title: count(page.total) + " episodes",
    view: listView(page, filters, offset, state.marked),
    state: { ...shared, view: "list", episodes: [], place: null } };
}

// After a view was made: what was chosen or focused stays so.
function settle(focused) {
  if (state.view === "list") {
    const again = focused && document.getElementById(focused);
    if (again) again.focus();
    const row = rows().find((one) => one.dataset.id === state.selected);
    if (row) select(row);
    announce(document.getElementById("total").textContent);
    return;
  }
  state.selected = state.episodes[0].row.id;
  tokens();
  window.scrollTo(0, 0);
  main.focus({ preventScroll: true });
}

function announce(text) {
  document.getElementById("status").textContent = text;
}

function rows() {
  return [...main.querySelectorAll("tbody tr")];
}

function select(row) {
  for (const other of rows()) {
    other.classList.toggle("selected", other === row);
    other.toggleAttribute("aria-current", other === row);
  }
  state.selected = row.dataset.id;
  row.scrollIntoView({ block: "nearest" });
}

function move(step) {
  if (state.view === "list") {
    const all = rows();
    const at = all.findIndex((row) => row.classList.contains("selected"));
    const next = all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + step))];
    if (next) select(next);
    return;
  }
  const parts = [...main.querySelectorAll("[data-part]")];
  const at = parts.indexOf(document.activeElement.closest("[data-part]"));
  const next = parts[at < 0 ? 0 : Math.max(0, Math.min(parts.length - 1, at + step))];
  if (next) {
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "start" });
  }
}

function tokens() {
  const articles = [...main.querySelectorAll("article")];
  state.episodes.forEach((episode, number) => {
    for (const turn of articles[number].querySelectorAll(".turn")) {
      const place = turn.querySelector("[data-tokens]");
      if (!place) continue;
      showTokens(place, episode.turns[turn.dataset.turn - 1].tokens, state.tokens);
    }
  });
  for (const button of main.querySelectorAll("[data-act=tokens]")) {
    button.setAttribute("aria-pressed", String(state.tokens));
  }
}

function toggleTokens() {
  if (!state.episodes.length) return;
  state.tokens = !state.tokens;
  tokens();
  const none = !main.querySelector("[data-tokens]");
  announce(none ? "No tokens were kept" : state.tokens ? "Tokens shown" : "Tokens hidden");
}

function compare() {
  const row = state.view === "list" ? main.querySelector("tr.selected") : null;
  const id = row ? row.dataset.id : state.view === "episode" ? state.episodes[0].row.id : null;
  if (!id) return;
  if (state.marked && state.marked.id !== id) {
    const link = compareLink(state.marked.id, id, state.filters);
    state.marked = null;
    location.hash = link;
    return;
  }
  const label = row ? row.querySelector(".name").textContent : state.episodes[0].row.task_id;
  state.marked = { id, label };
  announce("Marked. Press c on another episode to compare the two");
  if (state.view === "list") show();
}

function leave() {
  if (state.view !== "list") {
    location.hash = document.getElementById("back").getAttribute("href");
  } else if (state.marked) {
    state.marked = null;
    announce("Mark dropped");
    show();
  }
}

function openRow() {
  const row = state.view === "list" ? main.querySelector("tr.selected") : null;
  if (row) location.hash = episodeLink(row.dataset.id, state.filters);
}

function step(id) {
  if (state.view === "episode" && id) location.hash = episodeLink(id, state.filters);
}

function search() {
  if (state.view !== "list") return;
  document.getElementById("search").focus();
  document.getElementById("search").select();
}

const KEYS = {
  j: () => move(1), k: () => move(-1), Enter: openRow, n: () => step(state.place?.next),
  p: () => step(state.place?.previous), t: toggleTokens, c: compare, Escape: leave, "/": search,
  "?": () => help.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  const target = event.target;
  if (target.matches("input[type=search]")) {
    if (event.key === "Escape") target.blur();
    return;
  }
  if (event.key === "Enter" && target.closest("a, button, summary, input")) return;
  if (!Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
});
document.getElementById("help-button").addEventListener("click", () => help.showModal());
main.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]")?.dataset.act;
  if (act === "tokens") toggleTokens();
  if (act === "compare") compare();
});
// Only what is an address of ours is a view; the link to the content is not.
window.addEventListener("hashchange", () => {
  if (location.hash === "#main") main.focus();
  else show();
});

data.run().then((run) => {
  document.getElementById("run-name").replaceChildren(isolated(run.name));
}).catch(() => {}).then(show);
