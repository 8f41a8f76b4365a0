/* The messages on the page: each one an item that is kept, and an entry that is drawn. */
import { entry, make, redraw } from "./widget-view.js";

const NEAR_BOTTOM_PX = 80;

export class Log {
  /* `act`: what the buttons in an entry do. */
  constructor(ui, memory, options, act) {
    this.ui = ui;
    this.memory = memory;
    this.options = options;
    this.act = act;
  }

  get items() {
    return this.memory.state.items;
  }

  get unfinished() {
    return this.items.findLast((item) => item.kind === "bot" && !item.done);
  }

  find(id) {
    return this.items.find((item) => item.id === id);
  }

  /* Add an item, or put it in the place of the one with its id. */
  put(item) {
    const index = this.items.findIndex((each) => each.id === item.id);
    if (index >= 0) this.items[index] = item;
    else this.items.push(item);
    const near = this.isNearBottom;
    const old = this.drawn(item.id);
    const drawn = entry(item, this.options, this.act);
    if (old) redraw(old, drawn);
    else this.ui.log.append(drawn);
    this.ui.starters.replaceChildren();
    this.ui.log.setAttribute("aria-busy", String(item.kind === "bot" && !item.done));
    this.memory.save();
    if (near) this.toBottom();
  }

  change(id, changes) {
    const item = this.find(id);
    if (item) this.put({ ...item, ...changes });
  }

  drop(id) {
    this.memory.state.items = this.items.filter((item) => item.id !== id);
    this.drawn(id)?.remove();
    this.ui.log.setAttribute("aria-busy", "false");
  }

  /* What was to choose from is of the past once something else was said. */
  settleOptions() {
    for (const item of this.items.filter((each) => each.options?.length)) this.change(item.id, { options: [] });
  }

  /* Everything anew; `send` is what a suggestion for the first message does. */
  draw(send) {
    const greeting = { id: "greeting", kind: "bot", text: this.options.greeting, done: true };
    const drawn = [greeting, ...this.items].map((item) => entry(item, this.options, this.act));
    this.ui.log.replaceChildren(...drawn);
    const starters = this.items.length ? [] : this.options.suggestions;
    const starter = (text) => make("button", { type: "button", class: "starter", onclick: () => send(text) }, text);
    this.ui.starters.replaceChildren(...starters.map(starter));
  }

  drawn(id) {
    return this.ui.log.querySelector(`[data-id="${CSS.escape(id)}"]`);
  }

  get isNearBottom() {
    const { scrollHeight, scrollTop, clientHeight } = this.ui.log;
    return scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM_PX;
  }

  toBottom() {
    this.ui.log.scrollTop = this.ui.log.scrollHeight;
  }
}
