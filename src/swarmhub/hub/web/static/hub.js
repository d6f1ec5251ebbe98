// News of the ledger refresh the parts of a page that are marked with data-live, unless somebody
// is typing there. A form that takes long says what it waits for. Without this script the pages
// work; they are as of when they were loaded.
(() => {
  "use strict";
  document.addEventListener("submit", (event) => {
    const note = event.target.querySelector("[data-wait]");
    if (note) note.hidden = false;
  });

  const address = document.body.dataset.events;
  if (!address || !window.EventSource) return;
  let waiting = false;

  function refresh() {
    waiting = false;
    const parts = [...document.querySelectorAll("[data-live][id]")];
    const isTouched = (field) => field.type !== "hidden" && field.value !== field.defaultValue;
    const quiet = parts.filter((part) => !part.contains(document.activeElement)
      && !part.querySelector("details[open]")
      && ![...part.querySelectorAll("input")].some(isTouched));
    if (!quiet.length) return;
    fetch(location.href, { headers: { "X-Refresh": "1" }, credentials: "same-origin" })
      .then((answer) => (answer.ok && !answer.redirected ? answer.text() : null))
      .then((text) => {
        if (text === null) return;
        const fresh = new DOMParser().parseFromString(text, "text/html");
        for (const part of quiet) {
          const found = fresh.getElementById(part.id);
          if (found && found.innerHTML !== part.innerHTML) part.replaceChildren(...found.childNodes);
        }
        document.body.dataset.fresh = String(Date.now());
      })
      .catch(() => {});
  }

  // What is under way is asked for again until it has ended.
  function poll() {
    if (!document.querySelector("[data-poll]")) return;
    setTimeout(() => {
      refresh();
      poll();
    }, 1500);
  }
  poll();

  const away = document.getElementById("away");
  const source = new EventSource(address);
  source.addEventListener("open", () => { away.hidden = true; });
  source.addEventListener("error", () => { away.hidden = false; });
  source.addEventListener("news", (event) => {
    const about = JSON.parse(event.data);
    const study = document.body.dataset.study;
    if (study && about.length && !about.includes(study)) return;
    if (!waiting) {
      waiting = true;
      setTimeout(refresh, 100);
    }
  });
})();
