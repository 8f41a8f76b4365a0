// The left pane: which conversations there are, in the order to work on them.

import { $, duration, el } from "./dom.js";

export const VIEWS = {
  waiting: { name: "Waiting", empty: "Nobody is waiting. A new conversation appears here by itself." },
  mine: { name: "Mine", empty: "You have no conversation. Take one over from Waiting." },
  active: { name: "Colleagues", empty: "No colleague has a conversation right now." },
  closed: { name: "Closed", empty: "Nothing has been closed yet." },
};

const PRIORITY = { urgent: "Urgent", high: "High" };
const OUTCOME = { resolved: "Resolved", handed_back: "Handed back" };

export function renderViews(current, counts, choose) {
  const focused = document.activeElement?.dataset?.view;
  $("views").replaceChildren(...Object.entries(VIEWS).map(([view, { name }]) =>
    el("button", {
      type: "button",
      "data-view": view,
      "aria-current": view === current ? "page" : null,
      onclick: () => choose(view),
    }, name, counts[view] ? el("span", { class: "count", text: String(counts[view]) }) : null)));
  if (focused) $("views").querySelector(`[data-view="${focused}"]`)?.focus();
}

export function renderCases(view, cases, openId, offsetMs, open) {
  const focused = document.activeElement?.dataset?.case;
  $("cases").replaceChildren(...cases.map((item) => el("li", {}, card(item, openId, offsetMs, open))));
  $("nothing").hidden = cases.length > 0;
  $("nothing").textContent = VIEWS[view].empty;
  if (focused) $("cases").querySelector(`[data-case="${CSS.escape(focused)}"]`)?.focus();
}

function card(item, openId, offsetMs, open) {
  const urgent = PRIORITY[item.priority];
  return el("button", {
    type: "button",
    class: `entry ${item.priority}`,
    "data-case": item.case_id,
    "aria-current": item.case_id === openId ? "true" : null,
    onclick: () => open(item.case_id),
  },
  el("span", { class: "words", text: item.first_words || "No message yet" }),
  el("span", { class: "why", text: item.reason }),
  el("span", { class: "foot" },
    urgent ? el("span", { class: `pill ${item.priority}`, text: urgent }) : null,
    el("span", { class: "soft age", "data-from": String(moment(item)), "data-prefix": prefix(item) },
      age(item, offsetMs)),
    item.state === "active" ? el("span", { class: "soft", text: item.agent_name }) : null,
    item.outcome ? el("span", { class: "soft", text: OUTCOME[item.outcome] }) : null));
}

const moment = (item) => item.closed_unix_ms ?? item.taken_unix_ms ?? item.opened_unix_ms;
const prefix = (item) => ({ waiting: "waiting", active: "taken", closed: "closed" })[item.state];
const age = (item, offsetMs) => phrase(prefix(item), Date.now() + offsetMs - moment(item));

function phrase(word, ms) {
  const time = duration(ms);
  if (word === "waiting") return time === "just now" ? "new" : `waiting ${time}`;
  return time === "just now" ? `${word} just now` : `${word} ${time} ago`;
}

// Waiting times grow while nothing else happens.
export function refreshAges(offsetMs) {
  for (const node of document.querySelectorAll(".age")) {
    node.textContent = phrase(node.dataset.prefix, Date.now() + offsetMs - Number(node.dataset.from));
  }
}
