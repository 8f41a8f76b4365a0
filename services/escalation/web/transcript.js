// What was said in the open conversation, and what the customer does right now.

import { $, clock, el } from "./dom.js";

const WHO = { customer: "Customer", bot: "Bot", agent: "Agent", system: "" };
const PLACEHOLDER = /(<[A-Z]{1,20}_[0-9]{1,3}>)/;
const TYPING_MS = 4000;
const readAt = new Map(); // conversation id → when the customer had read everything
const typesUntil = new Map(); // conversation id → when "typing" is over, on our clock
let shown = null;

// Only what is new is added, so that a screen reader reads it once.
export function render(found, keepPlace, act) {
  shown = found;
  const box = $("transcript");
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
  const known = new Set([...box.children].map((node) => node.dataset.id));
  const order = found.messages.map((message) => message.message_id);
  const grows = keepPlace && [...box.children].every((node, at) => node.dataset.id === order[at]);
  if (!grows) box.replaceChildren();
  const fresh = found.messages.filter((message) => !grows || !known.has(message.message_id));
  if (grows && fresh.some((message) => message.role === "customer")) typesUntil.delete(found.conversation_id);
  box.append(...fresh.map((message) => bubble(message, act)));
  markRead();
  markTyping();
  if (!keepPlace || atEnd) box.scrollTop = box.scrollHeight;
}

export function notice({ conversation_id: id, state, at_unix_ms: at }) {
  if (state === "read") {
    readAt.set(id, at);
    return markRead();
  }
  typesUntil.set(id, Date.now() + TYPING_MS);
  setTimeout(markTyping, TYPING_MS + 50);
  markTyping();
}

function markTyping() {
  const types = typesUntil.get(shown.conversation_id) > Date.now();
  if ($("presence")) $("presence").textContent = types ? "The customer is typing…" : "";
}

// Under the last message of a colleague that the customer has had before their eyes.
function markRead() {
  $("transcript").querySelector(".seen")?.remove();
  const at = readAt.get(shown.conversation_id) ?? 0;
  const seen = shown.messages.findLast((message) => message.role === "agent" && message.created_unix_ms <= at);
  if (!seen) return;
  const node = [...$("transcript").children].find((each) => each.dataset.id === seen.message_id);
  node?.append(el("p", { class: "who seen", text: "Seen" }));
}

function bubble(message, act) {
  const who = message.role === "agent" ? message.author || "Agent" : WHO[message.role];
  return el("div", { class: `said ${message.role}`, "data-id": message.message_id },
    who ? el("p", { class: "who" }, el("b", { text: who }), ` ${clock(message.created_unix_ms)}`) : null,
    el("p", { class: "text" }, ...words(message, act)),
    message.role === "bot" ? el("button", { type: "button", class: "quiet wrong", text: "Wrong answer",
      title: "Never give this answer to this question again", onclick: (event) => act.dispute(message, event.target) }) : null);
}

// Personal data is not in the text: a placeholder is a button that asks for it.
function words(message, act) {
  if (message.role !== "customer") return [message.text];
  return message.text.split(PLACEHOLDER).filter(Boolean).map((piece) => (PLACEHOLDER.test(piece)
    ? el("button", { type: "button", class: "hidden-data", text: piece, title: "Show what this stands for",
      onclick: (event) => act.reveal(message, event.target) })
    : piece));
}

// On this screen only, until the conversation is drawn anew.
export function uncover(button, originals) {
  button.replaceWith(el("mark", { text: originals.join(" or ") }));
}
