// Fetches the page again and replaces its live regions: every 3 s while somebody looks and acts, every 30 s (or as many
// as a region's data-live says) while the page is open and nobody does; in a hidden tab only when a page's own script
// asks for it. Without a script, pages work all the same.
(() => {
  "use strict";
  const OFTEN = 3000, SELDOM = 30000, ACTIVE = 60000;
  let acted = Date.now(), timer = 0, fetching = null;

  const regions = (root) => [...root.querySelectorAll("[data-live][id]")];

  // What is being typed, or is open, in a region stays as it is.
  const busy = (region) => {
    const active = document.activeElement;
    if (region.contains(active) && active.matches("input, textarea, select")) return true;
    if (region.querySelector("details.sure[open]")) return true;
    return [...region.querySelectorAll("input, textarea")].some((field) =>
      field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked
        : field.type !== "hidden" && field.value !== field.defaultValue);
  };

  // Where an element is in its region, to find its successor by: its id, or its place among those of its kind.
  const place = (region, element) =>
    element.id ? `#${CSS.escape(element.id)}`
      : [element.tagName, [...region.querySelectorAll(element.tagName)].indexOf(element)];
  const at = (region, where) =>
    typeof where === "string" ? region.querySelector(where) : region.querySelectorAll(where[0])[where[1]];

  const replace = (region, fresh) => {
    const open = [...region.querySelectorAll("details[open]")].map((details) => place(region, details));
    const focused = region.contains(document.activeElement) && region !== document.activeElement
      ? place(region, document.activeElement) : null;
    const scrolled = [...region.querySelectorAll(".table")].map((box) => box.scrollLeft);
    const unopened = region.cloneNode(true);
    unopened.querySelectorAll("details[open]").forEach((details) => details.removeAttribute("open"));
    const before = fresh.cloneNode(true);
    before.querySelectorAll("details[open]").forEach((details) => details.removeAttribute("open"));
    if (unopened.innerHTML === before.innerHTML) return;
    region.replaceChildren(...fresh.childNodes);
    open.forEach((where) => at(region, where)?.setAttribute("open", ""));
    region.querySelectorAll(".table").forEach((box, index) => { box.scrollLeft = scrolled[index] || 0; });
    if (focused) at(region, focused)?.focus({ preventScroll: true });
  };

  const look = async (hidden = false) => {
    if (fetching || (document.hidden && !hidden) || !regions(document).length) return;
    fetching = new AbortController();
    try {
      const answer = await fetch(location.href, {
        headers: { "X-Console-Live": "1" }, credentials: "same-origin", cache: "no-store", signal: fetching.signal,
      });
      if (answer.status === 401) {
        location.assign(`/console/login?next=${encodeURIComponent(location.pathname + location.search)}`);
        return;
      }
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const region of regions(document)) {
          const successor = fresh.getElementById(region.id);
          if (successor && !busy(region)) replace(region, successor);
        }
        document.dispatchEvent(new CustomEvent("console:fresh"));
      }
      document.documentElement.toggleAttribute("data-stale", !answer.ok);
    } catch (error) {
      if (error.name !== "AbortError") document.documentElement.setAttribute("data-stale", "");
    } finally {
      fetching = null;
    }
  };

  const plan = () => {
    clearTimeout(timer);
    if (document.hidden) return;
    const seldom = Math.min(SELDOM, ...regions(document).map((region) => Number(region.dataset.live) * 1000 || SELDOM));
    timer = setTimeout(async () => { await look(); plan(); }, Date.now() - acted < ACTIVE ? OFTEN : seldom);
  };

  const act = () => {
    const idle = Date.now() - acted >= ACTIVE;
    acted = Date.now();
    if (idle) look().then(plan);
  };

  for (const kind of ["pointerdown", "pointermove", "keydown", "scroll", "touchstart"]) {
    addEventListener(kind, act, { passive: true });
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { clearTimeout(timer); fetching?.abort(); return; }
    acted = Date.now();
    look().then(plan);
  });
  document.addEventListener("console:look", () => look(true));
  addEventListener("pageshow", (event) => { if (event.persisted) look(); });

  // A form is sent once, however often its button is pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post") return;
    if (form.dataset.sent) { event.preventDefault(); return; }
    form.dataset.sent = "1";
    setTimeout(() => { delete form.dataset.sent; }, 5000);
  });

  // What is to be pasted elsewhere is copied, or chosen where the browser copies nothing.
  document.documentElement.classList.add("scripted");
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-copy]");
    const source = button && document.getElementById(button.dataset.copy);
    if (!source) return;
    getSelection().selectAllChildren(source);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.dataset.copied = "";
      setTimeout(() => button.removeAttribute("data-copied"), 2000);
    } catch { /* it is chosen */ }
  });

  // One question at a time, and Escape takes it back.
  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.("details.sure, details.menu") && event.target.open) {
      document.querySelectorAll("details.sure[open]").forEach((other) => { if (other !== event.target) other.open = false; });
    }
  }, true);
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details.sure[open], details.menu[open]").forEach((details) => {
      details.open = false;
      details.querySelector("summary").focus();
    });
  });

  plan();
})();
