/* The help page's own buttons: each opens the chat, most with a question. */
window.Switchboard = window.Switchboard || [];
for (const button of document.querySelectorAll("[data-ask]")) {
  button.addEventListener("click", () => {
    const question = button.dataset.ask;
    window.Switchboard.push(question ? ["send", question] : ["open"]);
  });
}
