"use strict";
// Elements, and texts that models wrote: always as text, never as markup.

// Control characters but tab and line feed, and those that turn, hide or join what is around them.
const HIDDEN = new RegExp(
  "[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5" +
  "\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0d\\ufeff" +
  "\\uffa0\\ufff0-\\ufffb]|(?<=[\\ufe00-\\ufe0f])[\\ufe0e\\ufe0f]|[\\u{e0000}-\\u{e0fff}]|\\p{Cs}", "gu");
const SHOWN_FIRST = 20000;

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      made.setAttribute(name, String(value));
    }
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) made.append(child);
  }
  return made;
}

function nameOf(character) {
  const code = character.codePointAt(0);
  const names = { 0: "NUL", 7: "BEL", 8: "BS", 13: "CR", 27: "ESC", 127: "DEL" };
  return names[code] || "U+" + code.toString(16).toUpperCase().padStart(4, "0");
}

// The same text in pieces, with a visible mark for every hidden character.
function pieces(text) {
  const parts = [];
  let end = 0;
  for (const found of text.matchAll(HIDDEN)) {
    if (found.index > end) parts.push(text.slice(end, found.index));
    const name = nameOf(found[0]);
    parts.push(element("span", { class: "mark", title: "hidden character " + name }, name));
    end = found.index + found[0].length;
  }
  if (end < text.length) parts.push(text.slice(end));
  return parts;
}

// The same in plain text, for titles and options.
function plain(text) {
  return String(text).replace(HIDDEN, (character) => "\u27e8" + nameOf(character) + "\u27e9");
}

function isolated(text) {
  return element("bdi", {}, pieces(String(text)));
}

// A text of any length: its beginning, and the rest when asked for.
function longText(text, cut, label) {
  const block = element("pre", { class: "text", dir: "auto" });
  let shown = 0;
  const more = element("button", { type: "button", class: "more" });
  function grow() {
    let end = Math.min(text.length, shown + SHOWN_FIRST);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last < 0xdc00) end += 1;
    block.append(...pieces(text.slice(shown, end)));
    shown = end;
    more.hidden = shown >= text.length;
    more.textContent = "Show more (" + count(text.length - shown) + " characters are hidden)";
  }
  more.addEventListener("click", grow);
  grow();
  const left = cut ? element("p", { class: "cut" },
    count(cut) + " more characters of this " + (label || "text") + " were left out") : null;
  return [block, more, left];
}

function count(number) {
  return Number(number).toLocaleString("en-US");
}

function seconds(value) {
  if (value === null || value === undefined) return "\u2013";
  if (value < 0.0995) return (value * 1000).toFixed(value < 0.00995 ? 1 : 0) + " ms";
  return value < 99.5 ? value.toFixed(2) + " s" : count(Math.round(value)) + " s";
}

function amount(value) {
  if (value === null || value === undefined) return "\u2013";
  return Number.isInteger(value) ? String(value) : value.toFixed(3);
}

function badge(kind) {
  const signs = { passed: "\u2713", failed: "\u2717", unscored: "\u2013" };
  return element("span", { class: "badge " + (kind in signs ? kind : "") },
    element("span", { "aria-hidden": "true" }, (signs[kind] || "") + " "), kind);
}
