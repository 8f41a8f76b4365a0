/* The line to the gateway: one socket, reconnected with back-off, nothing lost or doubled.
 *
 * Every numbered frame moves `seq`; a new socket asks for what came after it. A message keeps its
 * client_id until it is acknowledged, and is sent again with the same one, so the gateway asks it
 * once. All of it lives in localStorage, so a page reload is only another reconnect.
 */
const FIRST_DELAY_MS = 500;
const LAST_DELAY_MS = 15000;
const TYPING_EVERY_MS = 2500;
const READ_AFTER_MS = 400;
const KEPT_ITEMS = 100;
const KEPT_MS = 24 * 3600 * 1000;

const randomId = () =>
  [...crypto.getRandomValues(new Uint8Array(12))].map((n) => n.toString(16).padStart(2, "0")).join("");

const fresh = () => ({ conversation: "", token: "", seq: 0, items: [], unsent: [], at: 0 });

export class Memory {
  constructor(name) {
    this.name = name;
    this.state = fresh();
    try {
      const kept = JSON.parse(localStorage.getItem(name) || "null");
      if (kept && Date.now() - kept.at < KEPT_MS) this.state = { ...fresh(), ...kept };
    } catch {
      /* private mode, or not ours: begin anew */
    }
  }

  save() {
    this.state.at = Date.now();
    this.state.items = this.state.items.slice(-KEPT_ITEMS);
    try {
      localStorage.setItem(this.name, JSON.stringify(this.state));
    } catch {
      /* full or forbidden: the chat works, it only forgets on reload */
    }
  }

  clear() {
    this.state = fresh();
    this.save();
  }
}

export class Link {
  /* `on.frame(frame)` for every new frame, `on.state("open" | "closed" | "refused")`. */
  constructor(options, memory, on) {
    this.options = options;
    this.memory = memory;
    this.on = on;
    this.socket = null;
    this.ready = false;
    this.delay = FIRST_DELAY_MS;
    this.timer = 0;
    this.userId = "";
    this.typedAt = 0;
    this.readTimer = 0;
    addEventListener("online", () => this.connect());
  }

  get state() {
    return this.memory.state;
  }

  connect() {
    clearTimeout(this.timer);
    if (this.socket && this.socket.readyState <= WebSocket.OPEN) return;
    const url = new URL("v1/ws", this.options.base);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const { conversation, token, seq } = this.state;
    const query = { key: this.options.key, hello: "1", locale: this.options.locale.slice(0, 2) };
    if (this.userId) query.user_id = this.userId;
    if (conversation) Object.assign(query, { conversation_id: conversation, token, after: seq });
    url.search = new URLSearchParams(query);
    const socket = new WebSocket(url);
    this.socket = socket;
    socket.onmessage = (event) => this.take(JSON.parse(event.data));
    socket.onclose = (event) => {
      if (socket === this.socket) this.lost(event.code);
    };
  }

  lost(code) {
    this.ready = false;
    this.socket = null;
    if (code === 4401) return this.on.state("refused");
    this.on.state("closed");
    const pause = this.delay * (0.5 + Math.random());
    this.delay = Math.min(this.delay * 2, LAST_DELAY_MS);
    this.timer = setTimeout(() => this.connect(), pause);
  }

  take(frame) {
    if (frame.type === "ready") return this.begin(frame);
    if (frame.type === "gap") this.state.seq = frame.seq;
    else if (frame.seq !== undefined) {
      if (frame.seq <= this.state.seq) return; // seen before the drop
      this.state.seq = frame.seq;
    }
    if (frame.type === "ack") this.acknowledged(frame.client_id);
    if (frame.type === "error" && frame.client_id && frame.code === "invalid") {
      this.acknowledged(frame.client_id);
    }
    this.on.frame(frame);
    this.memory.save();
  }

  begin(frame) {
    if (!frame.conversation_token) {
      // Ours no longer, or never was: what is unsent goes into a new conversation.
      Object.assign(this.state, { conversation: "", token: "", seq: 0 });
      this.memory.save();
      return this.socket.close();
    }
    this.state.conversation = frame.conversation_id;
    this.state.token = frame.conversation_token;
    this.memory.save();
    this.ready = true;
    this.delay = FIRST_DELAY_MS;
    this.on.state("open");
    this.state.unsent.forEach((message) => this.write(message));
  }

  acknowledged(clientId) {
    this.state.unsent = this.state.unsent.filter((message) => message.client_id !== clientId);
  }

  write(frame) {
    if (this.ready) this.socket.send(JSON.stringify(frame));
  }

  send(text) {
    const message = { type: "message", text, client_id: randomId() };
    this.state.unsent.push(message);
    this.memory.save();
    this.connect();
    this.write(message);
    return message.client_id;
  }

  again(clientId) {
    const message = this.state.unsent.find((each) => each.client_id === clientId);
    if (message) this.write(message);
  }

  stop(turnId) {
    this.write({ type: "stop", turn_id: turnId });
  }

  /* What the agent may see of us between messages. */
  typing() {
    if (Date.now() - this.typedAt < TYPING_EVERY_MS) return;
    this.typedAt = Date.now();
    this.write({ type: "typing" });
  }

  read() {
    clearTimeout(this.readTimer);
    this.readTimer = setTimeout(() => this.write({ type: "read", seq: this.state.seq }), READ_AFTER_MS);
  }

  async rate(turnId, rating) {
    const answer = await fetch(new URL("v1/feedback", this.options.base), {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Switchboard-Key": this.options.key },
      body: JSON.stringify({ turn_id: turnId, rating }),
    });
    return answer.ok;
  }

  close() {
    clearTimeout(this.timer);
    const socket = this.socket;
    this.socket = null;
    this.ready = false;
    socket?.close();
  }
}
