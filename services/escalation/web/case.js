// The right pane: one conversation, why it is here, and what the agent can do about it.

import { ApiError, casePath, get, post } from "./api.js";
import { $, ask, clock, el, toast } from "./dom.js";
import * as transcript from "./transcript.js";

const TYPING_EVERY_MS = 2500;
const unsent = new Map(); // case id → what was typed, kept while one looks at another case
const attempts = new Map(); // case id → {text, id}: a retry of the same words is the same message
let shown = null; // the case on the screen
let me = null;
let onChanged = () => {};
let onTaken = () => {};

export function setUp(agent, changed, taken) {
  me = agent;
  onChanged = changed;
  onTaken = taken;
}

export function showNothing() {
  shown = null;
  $("case").replaceChildren(el("div", { class: "empty" },
    el("p", { class: "big", text: "No conversation open" }),
    el("p", { class: "soft", text: "Choose one on the left. Urgent ones come first, then who has waited longest." })));
}

export async function show(id, back) {
  const found = await get(casePath(id));
  const same = shown && shown.case_id === id;
  const moved = !same || shown.state !== found.state || shown.agent !== found.agent || shown.draft !== found.draft;
  shown = found;
  if (moved) renderAll(back);
  transcript.render(shown, !moved, { dispute, reveal });
}

// What the customer does between messages; only the open conversation shows it.
export function notice(presence) {
  if (presence.conversation_id === shown?.conversation_id) transcript.notice(presence);
}

export const openId = () => shown?.case_id ?? null;
const isMine = () => shown.state === "active" && shown.agent === me.email;

function renderAll(back) {
  const typing = document.activeElement?.id === "reply";
  $("case").replaceChildren(
    el("div", { class: "head" },
      el("button", { type: "button", class: "quiet back", onclick: back, text: "‹ All conversations" }),
      el("div", { class: "title" }, el("h2", { text: shown.reason }), state()),
      el("div", { class: "row actions" }, ...actions())),
    facts(),
    el("div", { id: "transcript", role: "log", "aria-label": "Transcript", tabindex: "0" }),
    el("p", { id: "presence", class: "soft", role: "status" }),
    shown.draft && shown.state !== "closed" ? draft() : "",
    composer());
  if (typing) $("reply")?.focus();
}

function state() {
  const text = {
    waiting: "Waiting for a person. The bot still answers.",
    active: isMine() ? "You have this conversation" : `${shown.agent_name} has this conversation`,
    closed: shown.outcome === "handed_back" ? "Handed back to the bot" : "Closed",
  }[shown.state];
  return el("p", { class: `pill state ${shown.state}`, text });
}

function actions() {
  const button = (text, kind, action) => el("button", { type: "button", class: kind, onclick: action, text });
  if (shown.state === "closed") return [];
  if (isMine()) {
    return [button("Hand back to the bot", "quiet", () => act("hand-back", "Handed back. The bot answers again.")),
      button("Close", "quiet", () => act("close", "Closed."))];
  }
  if (shown.state === "active") return [button("Take over…", "quiet", takeOver)];
  return [button("Close", "quiet", () => act("close", "Closed.")), button("Take over", "primary", takeOver)];
}

async function takeOver() {
  try {
    await change("take", { force: false });
  } catch (error) {
    if (error.problem?.reason !== "owned") return fail(error);
    const name = error.problem.owner_name;
    if (!(await ask(`${name} has this conversation. Take it over from ${name}? This is written to the audit log.`, "Take it over"))) return;
    try { await change("take", { force: true }); } catch (second) { return fail(second); }
  }
  toast("The conversation is yours. The bot is silent now.");
  await onTaken();
  $("reply")?.focus();
}

async function act(action, done) {
  try {
    await change(action);
    toast(done);
    $("case").focus();
  } catch (error) { fail(error); }
}

async function change(action, body) {
  await post(casePath(shown.case_id, action), body);
  await onChanged();
}

function fail(error) {
  toast(error instanceof ApiError ? error.message : "Something went wrong. Nothing was changed.");
  if (error.status === 409) onChanged();
}

function facts() {
  const pairs = [
    ["Rule", shown.rule],
    ["Intent", shown.intent && `${shown.intent}${shown.confidence ? ` (${Math.round(shown.confidence * 100)} %)` : ""}`],
    ["Language", shown.locale],
    ["User", shown.user_id],
    ["Mode", shown.mode !== "full" && shown.mode],
    ["Opened", clock(shown.opened_unix_ms)],
  ].filter(([, value]) => value);
  return el("details", { class: "facts", open: window.innerWidth > 700 },
    el("summary", { text: "About this hand-over" }),
    shown.summary ? el("p", { text: shown.summary }) : null,
    el("dl", {}, ...pairs.map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", { text: value })))));
}

async function dispute(message, button) {
  if (!(await ask("Mark this answer as wrong? It is forgotten, and questions like it are judged more strictly.", "Mark as wrong"))) return;
  button.disabled = true;
  try {
    await change("wrong-answer", { message_id: message.message_id });
    toast("Marked. Nobody gets this answer from memory again.");
  } catch (error) { button.disabled = false; fail(error); }
}

async function reveal(message, button) {
  const placeholder = button.textContent;
  if (!(await ask(`Show what ${placeholder} stands for? This is written to the audit log.`, "Show it"))) return;
  try {
    const found = await post(casePath(shown.case_id, "reveal"), { message_id: message.message_id, placeholder });
    transcript.uncover(button, found.originals);
  } catch (error) { fail(error); }
}

function draft() {
  return el("div", { class: "draft" },
    el("div", {}, el("b", { text: "What the bot would have said" }), el("p", { text: shown.draft })),
    isMine() ? el("button", { type: "button", class: "quiet", onclick: takeDraft, text: "Use this draft" }) : null);
}

function takeDraft() {
  const box = $("reply");
  box.value = box.value.trim() ? `${box.value.trimEnd()}\n\n${shown.draft}` : shown.draft;
  unsent.set(shown.case_id, box.value);
  fit(box);
  box.focus();
}

function composer() {
  if (!isMine()) {
    const text = { waiting: "Take the conversation over to answer.", active: `Only ${shown.agent_name} can answer now.`, closed: "This case is closed." }[shown.state];
    return el("p", { class: "soft locked", text });
  }
  const id = shown.case_id;
  const box = el("textarea", { id: "reply", rows: "2", maxlength: "4000", placeholder: "Write to the customer…", "aria-describedby": "reply-hint" });
  box.value = unsent.get(id) ?? "";
  box.addEventListener("input", () => { unsent.set(id, box.value); fit(box); typing(id); });
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); send(id, box); }
  });
  requestAnimationFrame(() => fit(box));
  return el("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); send(id, box); } },
    el("label", { for: "reply", class: "hidden", text: "Your answer" }),
    box,
    el("div", { class: "row" },
      el("span", { id: "reply-hint", class: "soft", text: "Ctrl + Enter sends" }),
      el("button", { type: "submit", class: "primary", text: "Send" })));
}

function fit(box) {
  box.style.height = "auto";
  box.style.height = `${Math.min(box.scrollHeight + 2, 260)}px`;
}

let typedAt = 0;

function typing(id) {
  if (Date.now() - typedAt < TYPING_EVERY_MS) return;
  typedAt = Date.now();
  post(casePath(id, "typing")).catch(() => {}); // nobody misses it
}

const sending = new Set();

async function send(id, box) {
  const text = box.value.trim();
  if (!text || sending.has(id)) return;
  if (attempts.get(id)?.text !== text) attempts.set(id, { text, id: newId() });
  sending.add(id);
  try {
    await post(casePath(id, "reply"), { text, message_id: attempts.get(id).id });
    attempts.delete(id);
    // What was typed while the answer was on its way stays.
    if (box.value.trim() === text) { box.value = ""; unsent.delete(id); fit(box); }
    await onChanged();
  } catch (error) { fail(error); } finally { sending.delete(id); }
}

// crypto.randomUUID exists only on HTTPS and localhost; a dashboard in a LAN has neither.
function newId() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
