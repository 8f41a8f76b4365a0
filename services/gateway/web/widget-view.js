/* How the chat is drawn. Every text goes in as a text node: nothing of it can become markup. */
const ICONS = {
  chat: "M4 5.5A2.5 2.5 0 0 1 6.5 3h11A2.5 2.5 0 0 1 20 5.5v8a2.5 2.5 0 0 1-2.5 2.5H11l-4.5 4v-4A2.5 2.5 0 0 1 4 13.5z",
  close: "M6 6l12 12M18 6L6 18",
  send: "M5 12h13M12.5 6l6 6-6 6",
  stop: "M8 8h8v8H8z",
  up: "M7 11v9H4v-9zM7 11l4-8c1.7 0 2.5 1 2.5 2.5L13 9h5.5a2 2 0 0 1 2 2.3l-1 7A2 2 0 0 1 17.5 20H7",
  down: "M17 13V4h3v9zM17 13l-4 8c-1.7 0-2.5-1-2.5-2.5L11 15H5.5a2 2 0 0 1-2-2.3l1-7A2 2 0 0 1 6.5 4H17",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20a7.5 7.5 0 0 1 15 0",
};
const SVG = "http://www.w3.org/2000/svg";

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

const safeUrl = (value) => {
  try {
    const url = new URL(value);
    return ["https:", "http:", "mailto:"].includes(url.protocol) ? url.href : "";
  } catch {
    return "";
  }
};

/* Text with its line breaks; web addresses become links. */
function prose(text) {
  const box = make("div", { class: "text" });
  for (const piece of text.split(/(https?:\/\/[^\s<>()]+[^\s<>().,!?])/)) {
    const url = /^https?:\/\//.test(piece) && safeUrl(piece);
    box.append(url ? make("a", { href: url, target: "_blank", rel: "noopener" }, piece) : piece);
  }
  return box;
}

function source(citation, number) {
  const url = safeUrl(citation.source);
  return make(
    "details",
    { class: "source" },
    make("summary", {}, make("span", { class: "number" }, String(number)), citation.title),
    make("p", {}, citation.snippet),
    url &&
      make("a", { href: url, target: "_blank", rel: "noopener" }, `Open “${citation.title}”`),
  );
}

function sources(citations) {
  const seen = new Map();
  for (const each of citations) if (!seen.has(each.title)) seen.set(each.title, each);
  const label = seen.size === 1 ? "Source" : "Sources";
  const rows = [...seen.values()].map((each, index) => source(each, index + 1));
  return make("div", { class: "sources" }, make("span", { class: "label" }, label), ...rows);
}

/* Replies to choose from; a press sends the words on the button. */
function choices(texts, choose) {
  const button = (text) => make("button", { type: "button", class: "starter", onclick: () => choose(text) }, text);
  return make("div", { class: "choices", role: "group", "aria-label": "Choose an answer" }, ...texts.map(button));
}

function thumbs(item, rate) {
  if (item.rated) return make("p", { class: "thanks" }, "Thank you for telling us.");
  const thumb = (rating, label) =>
    make(
      "button",
      { type: "button", class: "thumb", "aria-label": label, onclick: () => rate(item, rating) },
      icon(rating),
    );
  const group = { class: "thumbs", role: "group", "aria-label": "Was this helpful?" };
  return make("div", group, thumb("up", "Yes, helpful"), thumb("down", "No, not helpful"));
}

const speaker = (item, options) =>
  item.kind === "you" ? "You" : item.kind === "agent" ? item.name || "Our team" : options.title;

/* One entry of the log; the caller puts it where the old one stood. */
export function entry(item, options, act) {
  if (item.kind === "note") return make("p", { class: "note", "data-id": item.id }, item.text);
  const tag = item.kind === "bot" ? make("span", { class: "tag" }, "automatic") : null;
  const person = item.kind === "agent" ? make("span", { class: "face" }, icon("person")) : null;
  const finished = item.kind === "bot" && item.done;
  const bubble = make("div", { class: "bubble" });
  if (item.text) bubble.append(prose(item.text));
  if (item.kind === "bot" && !item.done && !item.text) bubble.append(dots());
  if (item.stopped) bubble.append(make("p", { class: "small" }, "Stopped."));
  if (item.citations?.length) bubble.append(sources(item.citations));
  if (item.options?.length) bubble.append(choices(item.options, act.choose));
  const below = make("div", { class: "below" });
  if (finished && item.rateable) below.append(thumbs(item, act.rate));
  if (item.failed) {
    const again = () => act.again(item);
    below.append(
      make("span", { class: "failed" }, item.failed),
      item.final ? null : make("button", { type: "button", class: "link", onclick: again }, "Try again"),
    );
  } else if (item.kind === "you" && !item.sent) {
    below.append(make("span", { class: "small" }, "Sending…"));
  }
  return make(
    "article",
    { class: `entry ${item.kind}${item.late ? " late" : ""}`, "data-id": item.id, tabindex: "-1" },
    make("header", {}, person, make("span", {}, speaker(item, options)), tag),
    bubble,
    below.childNodes.length ? below : null,
  );
}

function dots() {
  const box = make("span", { class: "dots", role: "img", "aria-label": "Writing" });
  box.append(make("i"), make("i"), make("i"));
  return box;
}

const MODES = {
  no_cache: "",
  escalate_all: "Our assistant is having a rest: people answer your questions at the moment.",
  fixed_text: "We have a technical problem at the moment. Your messages are kept.",
};

/* What the customer should know of a mode; empty when it makes no difference to them. */
export function modeNotice(mode) {
  if (!mode || mode === "full") return "";
  return MODES[mode] ?? "We are working with reduced service: answers may be shorter than usual.";
}

/* Put a redrawn entry in place of the old one; opened sources and the focus stay as they are. */
export function redraw(old, drawn) {
  const opened = [...old.querySelectorAll("details")].map((each) => each.open);
  drawn.querySelectorAll("details").forEach((each, index) => (each.open = Boolean(opened[index])));
  const focused = old.contains(old.getRootNode().activeElement);
  old.replaceWith(drawn);
  if (focused) drawn.focus();
}

/* The frame of the whole chat; returns its parts. */
export function layout(options, act) {
  const part = {};
  part.launcher = make(
    "button",
    { class: "launcher", type: "button", "aria-expanded": "false", "aria-haspopup": "dialog", onclick: act.toggle },
    icon("chat"),
    make("span", {}, options.launcher),
  );
  part.log = make("div", { class: "log", role: "log", "aria-live": "polite", "aria-label": "Conversation", tabindex: "0" });
  part.mode = make("p", { class: "mode", role: "status", hidden: true });
  part.line = make("p", { class: "line", role: "status", hidden: true });
  part.typing = make("p", { class: "note typing", role: "status", hidden: true });
  part.starters = make("div", { class: "starters" });
  part.input = make("textarea", {
    rows: "1", maxlength: "4000", placeholder: "Write your question", "aria-label": "Your question",
    oninput: act.typed, onkeydown: act.key,
  });
  part.send = make("button", { class: "send", type: "submit", "aria-label": "Send" }, icon("send"));
  part.stop = make(
    "button",
    { class: "send stop", type: "button", "aria-label": "Stop the answer", hidden: true, onclick: act.stop },
    icon("stop"),
  );
  part.person = make("button", { class: "link person", type: "button", onclick: act.person }, "Talk to a person");
  const close = make("button", { class: "close", type: "button", "aria-label": "Close the chat", onclick: act.close }, icon("close"));
  const status = make("span", { class: "status" }, "Quick answers, and people when needed");
  part.panel = make(
    "section",
    { class: "panel", role: "dialog", "aria-label": `${options.title} chat`, hidden: true },
    make("header", { class: "head" }, make("div", {}, make("h2", {}, options.title), status), close),
    part.mode,
    part.log,
    part.typing,
    part.line,
    make(
      "form",
      { class: "composer", onsubmit: act.submit },
      part.starters,
      make("div", { class: "field" }, part.input, part.send, part.stop),
      make("div", { class: "foot" }, part.person),
    ),
  );
  return part;
}
