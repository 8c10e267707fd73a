/* Keeps each [data-live] up to date: the server says that something changed, and the page fetches itself anew.
   What carries data-keep, a form, stays as it is with what was typed, until the server leaves it out or writes
   another word there. Where no stream is to be had the page asks every few seconds. Loaded before app.js, which changes the page. */
"use strict";

(() => {
  const APART = 500; // milliseconds between two updates
  const SILENT = 10000; // after so long without word the page looks by itself
  const POLLING = 5000; // ... and without a stream after so long
  const PATIENCE = 8000; // for one answer
  const STREAM_AGAIN = 30000; // until a refused stream is asked for again

  const regions = [...document.querySelectorAll("[data-live]")];
  const light = document.querySelector("[data-light]");
  if (!regions.length || !light) return;

  const written = new WeakMap(); // what the server wrote for a part, before this page added to it
  let stream = null;
  let refusedAt = 0;
  let lost = false; // whether the last word from the server was none
  let busy = false;
  let again = false;
  let last = Date.now();

  for (const part of document.querySelectorAll("[data-live] [data-key]")) written.set(part, part.outerHTML);

  function show() {
    const streaming = stream?.readyState === EventSource.OPEN;
    const state = lost || (stream && !streaming) ? "lost" : streaming ? "live" : "polling";
    const text = { lost: "reconnecting…", live: "live", polling: "every 5 s" }[state];
    if (light.textContent !== text) light.textContent = text;
    light.dataset.state = state;
    light.hidden = false;
  }

  /** Make the children of `old` equal to those of `fresh`; what did not change stays, with focus and tooltip. */
  function reconcile(old, fresh) {
    const known = new Map([...old.children].map((part) => [part.dataset.key, part]));
    let at = old.firstElementChild;
    for (const part of [...fresh.children]) {
      const before = known.get(part.dataset.key);
      known.delete(part.dataset.key);
      const html = part.outerHTML;
      let stays = before;
      const kept = before && "keep" in part.dataset && part.dataset.keep === before.dataset.keep;
      if (!kept && (!before || written.get(before) !== html)) {
        const lists = [before?.querySelector("[data-list]"), part.querySelector("[data-list]")];
        if (lists[0] && lists[1]) {
          reconcile(lists[0], lists[1]);
        } else {
          stays = document.importNode(part, true);
          for (const inner of stays.querySelectorAll("[data-key]")) written.set(inner, inner.outerHTML);
          if (stays.localName === "tr") stays.classList.add("changed");
          if (before) {
            if (at === before) at = before.nextElementSibling;
            before.remove();
          }
        }
        written.set(stays, html);
      }
      if (stays === at) at = at.nextElementSibling;
      else old.insertBefore(stays, at);
    }
    for (const part of known.values()) part.remove();
  }

  async function update() {
    if (document.hidden) return;
    if (busy) {
      again = true;
      return;
    }
    busy = true;
    await new Promise((resume) => setTimeout(resume, Math.max(0, last + APART - Date.now())));
    last = Date.now();
    if (document.hidden) {
      busy = false;
      return;
    }
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      if (answer.redirected || answer.status === 404) {
        location.reload(); // logged out, or deleted
        return;
      }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const focused = document.activeElement?.id;
      const now = new Map([...page.querySelectorAll("[data-live]")].map((region) => [region.dataset.live, region]));
      for (const live of regions) reconcile(live, now.get(live.dataset.live));
      desk.setNow(page.querySelector("[data-now]")?.dataset.now);
      desk.dress(document);
      if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus();
      if (lost) refusedAt = 0; // the server is back, and its streams may be too
      lost = false;
    } catch {
      lost = true;
    } finally {
      busy = false;
    }
    show();
    if (again) {
      again = false;
      update();
    }
  }

  function open() {
    if (stream || document.hidden) return;
    stream = new EventSource("/events");
    stream.addEventListener("open", show);
    stream.addEventListener("message", update);
    stream.addEventListener("error", () => {
      if (stream?.readyState === EventSource.CLOSED) {
        stream = null; // refused, and the browser does not try again
        refusedAt = Date.now();
        update();
      }
      show();
    });
  }

  function close() {
    stream?.close();
    stream = null;
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else {
      refusedAt = 0;
      open();
      update();
    }
  });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  document.addEventListener("animationend", (event) => event.target.closest?.("tr")?.classList.remove("changed"));

  setInterval(() => {
    if (document.hidden) return;
    if (!stream && Date.now() - refusedAt > STREAM_AGAIN) open();
    if (Date.now() - last > (stream?.readyState === EventSource.OPEN ? SILENT : POLLING)) update();
  }, 1000);
  open();
})();
