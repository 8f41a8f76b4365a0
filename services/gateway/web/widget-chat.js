/* The chat itself: what each frame means for the conversation on the page. */
import { Link, Memory } from "./widget-link.js";
import { Log } from "./widget-log.js";
import { layout, modeNotice } from "./widget-view.js";

const ASK_FOR_PERSON = "I would like to talk to a person.";
const TYPING_MS = 4000;

export class ChatElement extends HTMLElement {
  begin(options, css, emit) {
    this.options = options;
    this.emit = emit;
    this.memory = new Memory(`switchboard:${options.key.slice(0, 12)}`);
    this.link = new Link(options, this.memory, {
      frame: (frame) => this.take(frame),
      state: (state) => this.lineState(state),
    });
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
    this.ui = layout(options, {
      toggle: () => (this.isOpen ? this.close() : this.open()),
      close: () => this.close(),
      stop: () => this.turn && this.link.stop(this.turn),
      person: () => this.send(ASK_FOR_PERSON),
      typed: () => this.typed(),
      key: (event) => this.key(event),
      submit: (event) => this.submit(event),
    });
    this.log = new Log(this.ui, this.memory, options, {
      rate: (item, rating) => this.rate(item, rating),
      again: (item) => this.again(item),
      choose: (text) => this.send(text),
    });
    root.append(this.ui.launcher, this.ui.panel);
    root.addEventListener("keydown", (event) => event.key === "Escape" && this.close());
    document.addEventListener("visibilitychange", () => this.seen());
    this.dataset.position = options.position;
    this.ui.launcher.hidden = options.hidden;
    this.turn = "";
    this.draw();
  }

  get isOpen() {
    return !this.ui.panel.hidden;
  }

  /* ---- commands ---- */

  open() {
    this.ui.panel.hidden = false;
    this.ui.launcher.setAttribute("aria-expanded", "true");
    this.dataset.open = "";
    this.link.connect();
    this.ui.input.focus();
    this.log.toBottom();
    this.seen();
  }

  close() {
    if (!this.isOpen) return;
    this.ui.panel.hidden = true;
    this.ui.launcher.setAttribute("aria-expanded", "false");
    delete this.dataset.open;
    this.ui.launcher.focus();
  }

  send(text) {
    const asked = text.trim();
    if (!asked) return;
    if (!this.isOpen) this.open();
    const id = this.link.send(asked);
    this.log.settleOptions();
    this.log.put({ id, kind: "you", text: asked, sent: false });
    this.log.toBottom();
  }

  identify({ user_id: userId }) {
    this.link.userId = String(userId || "");
    this.link.close();
    if (this.isOpen) this.link.connect();
  }

  reset() {
    this.link.close();
    this.memory.clear();
    this.turn = "";
    this.draw();
    if (this.isOpen) this.link.connect();
  }

  /* ---- frames ---- */

  take(frame) {
    const step = this[`on_${frame.type}`];
    if (step) step.call(this, frame);
    if (["answer", "agent_message"].includes(frame.type)) this.emit("message", frame);
    if (frame.type === "error") this.emit("error", frame);
  }

  on_ack(frame) {
    this.log.change(frame.client_id, { sent: true, failed: "", turn: frame.turn_id });
    if (frame.repeated) return;
    this.log.put({ id: `bot:${frame.turn_id}`, kind: "bot", text: "", turn: frame.turn_id });
    this.busy(frame.turn_id);
  }

  on_delta(frame) {
    const id = `bot:${frame.turn_id}`;
    const shown = this.log.find(id)?.text || "";
    const text = shown ? `${shown.trimEnd()} ${frame.text.trimStart()}` : frame.text;
    this.log.put({ ...this.log.find(id), id, kind: "bot", text, turn: frame.turn_id });
  }

  on_answer(frame) {
    const id = `bot:${frame.turn_id}`;
    this.busy("", frame.turn_id);
    if (frame.relayed) return this.log.drop(id);
    const item = {
      kind: "bot",
      text: frame.answer,
      turn: frame.turn_id,
      citations: frame.citations,
      done: true,
      stopped: frame.stopped,
      late: frame.late,
      options: frame.options,
      rateable: !frame.stopped && !frame.escalated && !frame.options?.length && frame.origin !== "degraded",
    };
    const earlier = this.log.find(id);
    const second = frame.late && earlier?.done && earlier.text !== frame.answer;
    this.log.put({ ...item, id: second ? `${id}:late` : id });
    this.mode(frame.mode);
  }

  on_escalated(frame) {
    const place = frame.queue_position;
    const first = place === 1 ? "You are next in the queue." : `You are number ${place} in the queue.`;
    const text = place ? `A colleague will join this chat. ${first}` : "A colleague will join this chat.";
    this.log.put({ id: `case:${frame.turn_id}`, kind: "note", text });
  }

  on_owner(frame) {
    const text =
      frame.owner === "agent"
        ? `${frame.agent_name || "A colleague"} has joined the chat.`
        : "Our assistant is answering again.";
    this.log.put({ id: frame.id, kind: "note", text });
    this.memory.state.agent = frame.owner === "agent";
    this.ui.person.hidden = this.memory.state.agent;
  }

  on_agent_message(frame) {
    this.agentTypes("");
    this.log.put({ id: frame.message_id, kind: "agent", name: frame.agent_name, text: frame.text });
    this.seen();
  }

  on_typing(frame) {
    if (frame.who === "agent") this.agentTypes(`${frame.agent_name || "A colleague"} is writing…`);
  }

  on_mode(frame) {
    this.mode(frame.mode);
  }

  on_message(stored) {
    if (stored.role === "system") return;
    const kind = { customer: "you", agent: "agent" }[stored.role] || "bot";
    const same = (item) => item.turn === stored.turn_id && item.kind === kind;
    const id =
      kind === "agent" ? stored.message_id : kind === "bot" ? `bot:${stored.turn_id}` : stored.message_id;
    const known = kind === "agent" ? this.log.find(id) : this.log.items.find(same);
    const item = { kind, text: stored.text, turn: stored.turn_id, name: stored.author, sent: true };
    if (!known?.text) this.log.put({ ...item, id: known?.id || id, done: true, citations: stored.citations });
  }

  on_error(frame) {
    if (!frame.client_id) return;
    const wait = frame.retry_after_s ? ` Please wait ${Math.ceil(frame.retry_after_s)} s.` : "";
    const failed = frame.code === "invalid" ? frame.detail : `Not sent: ${frame.detail}.${wait}`;
    this.log.change(frame.client_id, { failed, final: frame.code === "invalid" });
  }

  draw() {
    this.log.draw((text) => this.send(text));
    this.ui.person.hidden = Boolean(this.memory.state.agent);
    this.busy(this.log.unfinished?.turn || "");
  }

  /* ---- the rest of the panel ---- */

  busy(turn, ended = "") {
    if (ended && this.turn && this.turn !== ended) return;
    const focused = this.shadowRoot.activeElement === this.ui.stop;
    this.turn = turn;
    this.ui.stop.hidden = !turn;
    this.ui.send.hidden = Boolean(turn);
    if (focused) this.ui.input.focus();
  }

  agentTypes(text) {
    clearTimeout(this.typingTimer);
    this.ui.typing.textContent = text;
    this.ui.typing.hidden = !text;
    if (text) this.typingTimer = setTimeout(() => this.agentTypes(""), TYPING_MS);
  }

  /* The agent is told once it is before somebody's eyes. */
  seen() {
    if (this.isOpen && this.memory.state.agent && document.visibilityState === "visible") this.link.read();
  }

  typed() {
    this.fit();
    if (this.memory.state.agent) this.link.typing();
  }

  mode(mode) {
    const notice = modeNotice(mode);
    this.ui.mode.textContent = notice;
    this.ui.mode.hidden = !notice;
  }

  lineState(state) {
    const texts = { closed: "Connection lost. Trying again…", refused: "The chat is not available here." };
    this.ui.line.textContent = texts[state] || "";
    this.ui.line.hidden = state === "open";
  }

  async rate(item, rating) {
    const rated = await this.link.rate(item.turn, rating).catch(() => false);
    if (rated) this.log.change(item.id, { rated: rating });
  }

  again(item) {
    this.log.change(item.id, { failed: "" });
    this.link.again(item.id);
  }

  key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.submit(event);
  }

  submit(event) {
    event.preventDefault();
    this.send(this.ui.input.value);
    this.ui.input.value = "";
    this.fit();
    this.ui.input.focus();
  }

  fit() {
    this.ui.input.style.height = "auto";
    this.ui.input.style.height = `${Math.min(this.ui.input.scrollHeight, 140)}px`;
  }
}
