// Log-in, the live connection, and which pane shows what.

import { ApiError, get, post, setCsrf, whenLoggedOut } from "./api.js";
import * as conversation from "./case.js";
import { $, toast } from "./dom.js";
import { refreshAges, renderCases, renderViews } from "./list.js";

const POLL_MS = 10000; // finds what another process of the service did; SSE brings the rest at once
let view = "waiting";
let offsetMs = 0; // server's clock minus ours
let stream = null;
let timers = [];
let loading = null;
let again = false;

function enter(agent) {
  setCsrf(agent.csrf);
  conversation.setUp(agent, refresh, () => choose("mine"));
  $("login").hidden = true;
  $("desk").hidden = false;
  $("agent").textContent = agent.name;
  listen();
  timers = [setInterval(() => document.hidden || refresh(), POLL_MS), setInterval(() => refreshAges(offsetMs), 15000)];
  route();
}

function leave() {
  stream?.close();
  timers.forEach(clearInterval);
  timers = [];
  conversation.showNothing();
  $("desk").hidden = true;
  $("login").hidden = false;
  document.title = "Switchboard: log in";
  $("email").focus();
}

function listen() {
  stream?.close();
  stream = new EventSource("/api/events");
  stream.addEventListener("changed", refresh);
  stream.addEventListener("presence", (event) => conversation.notice(JSON.parse(event.data)));
  stream.addEventListener("open", () => { $("live").textContent = ""; refresh(); });
  stream.addEventListener("error", () => { $("live").textContent = "Reconnecting…"; });
}

// One load at a time; changes that come meanwhile make one more.
function refresh() {
  if (loading) { again = true; return loading; }
  loading = load().catch(report).finally(() => {
    loading = null;
    if (again) { again = false; return refresh(); }
    return null;
  });
  return loading;
}

async function load() {
  const asked = view;
  const found = await get(`/api/cases?state=${asked}`);
  if (asked !== view) { again = true; return; }
  offsetMs = found.now_unix_ms - Date.now();
  const id = hashId();
  renderViews(view, found.counts, choose);
  renderCases(view, found.cases, id, offsetMs, open);
  $("mode").hidden = found.mode === "full";
  $("mode").textContent = `Reduced operation: ${found.mode}`;
  document.title = `${found.counts.waiting ? `(${found.counts.waiting}) ` : ""}Switchboard: conversations`;
  if (id) await conversation.show(id, () => open(null));
}

function report(error) {
  if (error.status === 401) return;
  if (error.status === 404) { toast("This conversation does not exist any more."); open(null); return; }
  if (error instanceof ApiError) toast(error.message);
  else throw error;
}

function choose(next) {
  view = next;
  return refresh();
}

const hashId = () => decodeURIComponent(location.hash.slice(1)).replace(/^case$/, "");

function open(id) {
  if (id) location.hash = encodeURIComponent(id);
  else { history.replaceState(null, "", location.pathname); route(); }
}

function route() {
  const id = hashId();
  $("panes").classList.toggle("one", Boolean(id));
  if (!id) conversation.showNothing();
  refresh().then(() => { if (id && id !== lastOpened) $("case").focus({ preventScroll: true }); lastOpened = id; });
}
let lastOpened = "";

async function logIn(event) {
  event.preventDefault();
  const error = $("login-error");
  error.hidden = true;
  try {
    const agent = await post("/api/login", { email: $("email").value, password: $("password").value });
    $("password").value = "";
    enter(agent);
  } catch (problem) {
    error.textContent = problem.problem?.title ?? problem.message;
    if (problem.status === 429) error.textContent += ". Please wait a few minutes.";
    error.hidden = false;
    $("password").select();
  }
}

$("login-form").addEventListener("submit", logIn);
$("logout").addEventListener("click", () => post("/api/logout").catch(() => {}).then(leave));
window.addEventListener("hashchange", route);
document.addEventListener("visibilitychange", () => { if (!document.hidden && timers.length) refresh(); });
whenLoggedOut(leave);
get("/api/me").then(enter, (error) => { if (error.status !== 401) { leave(); toast(error.message); } });
