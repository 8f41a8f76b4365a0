/* Switchboard chat widget.
 *
 *   <script async src="https://chat.example/widget.js" data-key="…"></script>
 *
 * Options: data-key (needed), data-locale, data-position ("right" | "left"), data-title,
 * data-launcher (its text), data-greeting, data-suggestions ("a|b|c"), data-hidden (no bubble).
 * Commands, also before this script has loaded:
 *   window.Switchboard = window.Switchboard || [];
 *   Switchboard.push(["open"]);  Switchboard.push(["send", "Where is my parcel?"]);
 *   ["close"], ["identify", {user_id}], ["reset"], ["on", "ready" | "message" | "error", fn]
 */
(() => {
  const script = document.currentScript;
  if (!script || window.Switchboard?.loaded) return;
  const base = new URL(".", script.src);
  const options = {
    base: base.href,
    key: script.dataset.key || "",
    locale: script.dataset.locale || document.documentElement.lang || navigator.language || "en",
    position: script.dataset.position === "left" ? "left" : "right",
    title: script.dataset.title || "Help",
    launcher: script.dataset.launcher || "Ask us",
    greeting: script.dataset.greeting || "Hello! What can we help you with?",
    suggestions: (script.dataset.suggestions || "").split("|").filter(Boolean),
    hidden: "hidden" in script.dataset,
  };

  const waiting = Array.isArray(window.Switchboard) ? window.Switchboard : [];
  const listeners = {};
  let chat = null;

  const emit = (name, detail) => {
    for (const listen of listeners[name] || []) {
      try {
        listen(detail);
      } catch (error) {
        console.error("Switchboard: a listener failed", error);
      }
    }
  };

  const run = (command) => {
    if (typeof command === "function") return command(window.Switchboard);
    const [name, ...rest] = command;
    if (name === "on") (listeners[rest[0]] ||= []).push(rest[1]);
    else if (!chat) waiting.push(command);
    else if (["open", "close", "send", "identify", "reset"].includes(name)) chat[name](...rest);
    else console.warn("Switchboard: no such command:", name);
  };

  window.Switchboard = { loaded: true, push: (...commands) => commands.forEach(run) };

  const begin = async () => {
    const at = (name) => new URL(`web/${name}`, base).href;
    const [{ ChatElement }, css] = await Promise.all([
      import(at("widget-chat.js")),
      fetch(at("widget.css")).then((answer) => answer.text()),
    ]);
    if (!customElements.get("switchboard-chat")) {
      customElements.define("switchboard-chat", ChatElement);
    }
    chat = document.createElement("switchboard-chat");
    chat.begin(options, css, emit);
    document.body.append(chat);
    waiting.splice(0).forEach(run);
    emit("ready", {});
  };

  if (document.body) begin();
  else addEventListener("DOMContentLoaded", begin, { once: true });
})();
