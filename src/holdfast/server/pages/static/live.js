// Shows what has changed meanwhile. What is typed or chosen stays: only the part marked with data-live is exchanged.
"use strict";
(() => {
  const part = document.querySelector("[data-live]");
  if (!part || !window.EventSource) return;
  const events = new EventSource("/api/events");
  let busy = false, again = false, first = true;

  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(part.id);
      if (fresh) exchange(fresh);
    } catch { /* the next event tries again */ } finally {
      busy = false;
      if (again) { again = false; refresh(); }
    }
  }

  function exchange(fresh) {
    const chosen = new Set([...part.querySelectorAll("input:checked")].map((box) => box.value));
    const focus = document.activeElement;
    const held = part.contains(focus) ? (focus.value || focus.getAttribute("href")) : null;
    if (part.dataset.live === "case" && fresh.dataset.revision !== part.dataset.revision) tell(fresh);
    part.dataset.revision = fresh.dataset.revision || "";
    part.replaceChildren(...document.importNode(fresh, true).childNodes);
    for (const box of part.querySelectorAll("input[type=checkbox]")) box.checked = chosen.has(box.value);
    if (held) [...part.querySelectorAll("a, input")].find((one) => (one.value || one.getAttribute("href")) === held)?.focus();
  }

  function tell(fresh) {
    const note = document.createElement("div");
    note.className = "notice";
    note.setAttribute("role", "status");
    note.textContent = "This case has moved on. What you have typed is still here. ";
    const link = document.createElement("a");
    link.href = location.pathname;
    link.textContent = "Show what it is now";
    note.append(link);
    document.getElementById("moved")?.remove();
    note.id = "moved";
    part.after(note);
  }

  events.addEventListener("inbox", () => {
    if (part.dataset.live === "inbox" && !first) refresh();
    first = false;
  });
  events.addEventListener("approval", (event) => {
    const said = JSON.parse(event.data);
    if (said.approval === part.dataset.case && String(said.revision) !== part.dataset.revision) refresh();
  });
  addEventListener("pagehide", () => events.close());
})();
