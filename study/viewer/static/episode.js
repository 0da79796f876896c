"use strict";
// An episode: its header, what was said and done, and the tokens that were sampled.

const LEVELS = [[-0.1, "nearly certain"], [-0.7, "likely"], [-2.3, "1 in 2 to 1 in 10"],
  [-4.6, "1 in 10 to 1 in 100"], [-Infinity, "rarer"]];
const TOKENS_FIRST = 2000;
const TURNS_FIRST = 60;

function episodeView(episode, place, filters, narrow) {
  const row = episode.row;
  return element("article", { class: "episode", "data-id": row.id },
    narrow ? null : navigationPart(row, place, filters),
    element("header", {},
      element("h1", {}, isolated(row.task_id), " ", badge(row.outcome)),
      factsPart(episode)),
    failurePart(episode.failure),
    element("section", { class: "talk", "aria-label": "Conversation" },
      episode.opening.map((message) => messagePart(message)), turnsPart(episode.turns)),
    verdictPart(episode),
    narrow ? null : siblingsPart(episode, filters));
}

function navigationPart(row, place, filters) {
  const offset = place.position === null ? 0 : Math.floor(place.position / PAGE) * PAGE;
  const step = (title, id, key) => id
    ? element("a", { href: episodeLink(id, filters), "data-step": key }, title)
    : element("span", { class: "quiet" }, title);
  return element("nav", { class: "bar", "aria-label": "Episode" },
    element("a", { href: listLink(filters, offset), id: "back" }, "\u2190 List"),
    step("Previous", place.previous, "p"), step("Next", place.next, "n"),
    element("span", { class: "quiet" }, place.position === null ? "not in the filtered list"
      : "number " + count(place.position + 1) + " of the list"),
    element("button", { type: "button", "data-act": "tokens" }, "Tokens ",
      element("kbd", {}, "t")),
    element("button", { type: "button", "data-act": "compare" }, "Compare ",
      element("kbd", {}, "c")));
}

function factsPart(episode) {
  const { row, timings, usage } = episode;
  const facts = [
    ["Reward", amount(row.reward)], ["Policy", row.policy + (row.version ? " v" + row.version : "")],
    ["Environment", row.env], ["Settings", JSON.stringify(episode.env_spec.kwargs)],
    ["Family", row.family], ["Split", row.split], ["Task hash", row.task_hash], ["Seed", row.seed],
    ["Stopped", row.stop_reason], ["Turns", count(row.turns)],
    ["Tokens", count(usage.action_tokens) + " sampled, " + count(usage.context_tokens) +
      " in context"],
    ["Calls", count(usage.tool_calls) + ", " + count(usage.tool_errors) + " errors, " +
      count(usage.parse_errors) + " unreadable"],
    ["Time", seconds(timings.wall_s) + " (model " + seconds(timings.model_s) + ", tools " +
      seconds(timings.tool_s) + ")"],
    ["Sandbox", episode.sandbox || "none"], ["Store", row.store]];
  return element("dl", { class: "facts" }, facts.map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, isolated(value)))));
}

function failurePart(failure) {
  if (!failure) return null;
  return element("section", { class: "box wrong", "aria-label": "Failure" },
    element("h2", {}, "Failure: ", isolated(failure.kind)), longText(failure.message, 0));
}

function verdictPart(episode) {
  const verdict = episode.verdict;
  return element("section", { class: "box verdict " + episode.row.outcome, tabindex: "-1",
    "data-part": true, "aria-label": "Verdict" },
    element("h2", {}, "Verdict: ", badge(episode.row.outcome), " reward ",
      amount(verdict.reward)),
    verdict.explanation ? longText(verdict.explanation, 0) : null);
}

function messagePart(message) {
  return element("section", { class: "message " + (message.role === "user" ? "user" : "other"),
    tabindex: "-1", "data-part": true },
    element("h3", {}, isolated(message.role)), longText(message.content, message.cut, "message"));
}

// Turns, and where there are very many the later ones when asked for.
function turnsPart(turns) {
  const block = element("div", { class: "turns" });
  const more = element("button", { type: "button", class: "more" });
  let shown = 0;
  function grow() {
    const next = turns.slice(shown, shown + TURNS_FIRST);
    block.append(...next.map((turn, number) => turnPart(turn, shown + number)));
    shown += next.length;
    more.hidden = shown >= turns.length;
    more.textContent = "Show more (" + count(turns.length - shown) + " turns are hidden)";
  }
  more.addEventListener("click", grow);
  grow();
  return [block, more];
}

function turnPart(turn, number) {
  const told = turn.results.map((result) => result.content);
  const replies = turn.replies.filter(
    (message) => message.role !== "tool" || !told.includes(message.content));
  const ids = new Set(turn.calls.map((call) => call.id));
  const loose = turn.results.filter((result) => !ids.has(result.call_id));
  return element("section", { class: "turn", tabindex: "-1", "data-part": true,
    "data-turn": number + 1 },
    element("h3", {}, "Turn " + (number + 1), element("span", { class: "quiet" },
      " \u00b7 " + seconds(turn.seconds) + " \u00b7 " + count(turn.tokens.length) + " tokens" +
      " \u00b7 reward " + amount(turn.reward) + (turn.finish === "stop" ? "" : " \u00b7 "),
      turn.finish === "stop" ? null : isolated(turn.finish),
      turn.version ? " \u00b7 weights v" + turn.version : null)),
    turn.reasoning ? element("details", { class: "reasoning" },
      element("summary", {}, "Reasoning (" + count(turn.reasoning.length) + " characters)"),
      longText(turn.reasoning, 0)) : null,
    turn.content || turn.cut ? element("div", { class: "said" },
      longText(turn.content, turn.cut, "turn")) : null,
    turn.tokens.length ? element("div", { class: "tokens", "data-tokens": true,
      hidden: true }) : null,
    turn.calls.map((call) => callPart(call, turn.results)),
    loose.map(resultPart), replies.map(messagePart));
}

function callPart(call, results) {
  const answers = results.filter((result) => result.call_id === call.id);
  return element("div", { class: "call" },
    element("h4", {}, "Call ", element("code", {}, isolated(call.name))),
    call.parse_error ? element("div", { class: "wrong" }, "Unreadable: ",
      longText(call.parse_error, 0)) : null,
    longText(call.arguments, call.cut, "call"), answers.map(resultPart));
}

function resultPart(result) {
  const notes = [seconds(result.seconds)];
  if (result.error) notes.unshift("error");
  if (result.truncated) notes.push("cut by the tool's limit");
  return element("div", { class: "result" + (result.error ? " wrong" : "") },
    element("h4", {}, "Result ", element("span", { class: "quiet" }, notes.join(" \u00b7 "))),
    longText(result.content, result.cut, "result"));
}

function siblingsPart(episode, filters) {
  if (!episode.siblings.length) return null;
  const items = episode.siblings.map((other) => element("li", {}, badge(other.outcome), " ",
    element("a", { href: episodeLink(other.id, filters) }, isolated(other.policy), ", seed ",
      other.seed), " ",
    element("a", { class: "quiet", href: compareLink(episode.row.id, other.id, filters),
      "aria-label": "compare with " + plain(other.policy) + ", seed " + other.seed }, "compare")));
  return element("section", { class: "siblings" }, element("h2", {}, "Other attempts at this task"),
    element("ul", {}, items));
}

function compareLink(one, other, filters) {
  return "#/compare/" + encodeURIComponent(one) + "/" + encodeURIComponent(other) +
    (filters.size ? "?" + filters : "");
}

function compareView(one, other, filters) {
  const same = one.row.task_hash === other.row.task_hash;
  return element("div", {},
    element("nav", { class: "bar", "aria-label": "Comparison" },
      element("a", { href: listLink(filters, 0), id: "back" }, "\u2190 List"),
      element("a", { href: episodeLink(one.row.id, filters) }, "Left alone"),
      element("a", { href: episodeLink(other.row.id, filters) }, "Right alone"),
      element("button", { type: "button", "data-act": "tokens" }, "Tokens ",
        element("kbd", {}, "t"))),
    same ? null : element("p", { class: "marked" }, "These are attempts at different tasks."),
    element("div", { class: "compare" }, episodeView(one, null, filters, true),
      episodeView(other, null, filters, true)));
}

function levelOf(logprob) {
  return logprob === null ? "none" : LEVELS.findIndex(([least]) => logprob >= least);
}

function tokenPart(token) {
  const chance = token.logprob === null ? "not known"
    : token.logprob.toFixed(3) + " (" + (100 * Math.exp(token.logprob)).toPrecision(3) + " %)";
  const told = "id " + token.id + ", log-probability " + chance;
  const text = token.text === null ? [String(token.id)] : pieces(token.text);
  const part = element("span", { class: "token level-" + levelOf(token.logprob), title: told },
    text.length ? text : "\u2205");
  return token.text === null ? [part, " "] : part;
}

function legendPart(tokens) {
  const known = tokens.some((token) => token.text !== null);
  return element("p", { class: "legend" }, "Probability when sampled: ",
    LEVELS.map(([, title], number) => [
      element("span", { class: "token level-" + number }, title), " "]),
    known ? null : "The tokenizer is not known, so that ids are shown; give --tokenizer.");
}

// Tokens are many; they are made when they are first looked at.
function showTokens(place, tokens, shown) {
  place.hidden = !shown;
  if (!shown || place.childElementCount) return;
  const text = element("div", { class: "text", dir: "auto" });
  const more = element("button", { type: "button", class: "more" });
  let made = 0;
  function grow() {
    const next = tokens.slice(made, made + TOKENS_FIRST);
    text.append(...next.map(tokenPart).flat());
    made += next.length;
    more.hidden = made >= tokens.length;
    more.textContent = "Show more (" + count(tokens.length - made) + " tokens are hidden)";
  }
  more.addEventListener("click", grow);
  grow();
  place.append(legendPart(tokens), text, more);
}
