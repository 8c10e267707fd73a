/* What every page can do: keep tooltips inside the window, show local times and ages, copy texts. */
"use strict";

const desk = (() => {
  const EDGE = 8; // pixels between a tooltip and the window's edge
  const ABOVE = 6; // pixels between a tooltip and what it explains
  let skew = 0; // how far this machine's clock is ahead of the desk's, milliseconds
  let tipped = null; // the place whose tooltip is shown

  function setNow(iso) {
    if (iso) skew = Date.now() - Date.parse(iso);
  }

  function span(seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} min`;
    if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
    return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
  }

  function fill(element, text) {
    element.lastElementChild.textContent = text;
    element.hidden = false;
  }

  function showAges() {
    for (const element of document.querySelectorAll("[data-age]")) {
      fill(element, span((Date.now() - skew - Date.parse(element.dataset.age)) / 1000));
    }
  }

  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

  /** Name the cells of tables by their columns: on a narrow screen each row stands alone. */
  function label(root) {
    for (const table of root.querySelectorAll(".scroll table")) {
      const heads = [...(table.tHead?.rows[0]?.cells ?? [])].map((head) => head.textContent.trim());
      for (const row of table.querySelectorAll("tbody > tr, tfoot > tr")) {
        let column = 0;
        for (const cell of row.cells) {
          const name = cell.textContent.trim() && cell.colSpan === 1 ? heads[column] : "";
          if (cell.dataset.label !== name) cell.dataset.label = name;
          cell.classList.toggle("blank", !cell.textContent.trim());
          column += cell.colSpan;
        }
      }
    }
  }

  /** Fill in what only the browser knows; to be called for new content. */
  function dress(root) {
    label(root);
    for (const element of root.querySelectorAll("[data-local]")) {
      fill(element, local.format(new Date(element.dataset.local)));
    }
    showAges();
    if (tipped && !tipped.isConnected) tipped = null;
  }

  function place(where) {
    const tip = where.querySelector(":scope > .tip");
    if (!tip) return;
    const at = where.firstElementChild.getBoundingClientRect();
    tip.style.left = `${EDGE}px`; // from here it may take the width it needs
    const size = tip.getBoundingClientRect();
    const left = Math.min(at.left, window.innerWidth - size.width - EDGE);
    const below = at.bottom + ABOVE;
    const fits = below + size.height + EDGE <= window.innerHeight;
    tip.style.left = `${Math.max(EDGE, left)}px`;
    tip.style.top = `${fits ? below : Math.max(EDGE, at.top - size.height - ABOVE)}px`;
    tipped = where;
  }

  function placeFor(event) {
    const where = event.target instanceof Element && event.target.closest(".tipped");
    if (where) place(where);
  }

  function release(event) {
    const where = event.target instanceof Element && event.target.closest(".tipped");
    if (where && !where.contains(event.relatedTarget)) where.classList.remove("dismissed");
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      // Without TLS browsers keep the clipboard away; the older way still works there.
      getSelection().selectAllChildren(source);
      if (!document.execCommand("copy")) return;
      getSelection().removeAllRanges();
    }
    const text = button.firstChild;
    text.textContent = "Copied";
    setTimeout(() => (text.textContent = "Copy"), 2000);
  }

  document.addEventListener("mouseover", placeFor);
  document.addEventListener("focusin", placeFor);
  document.addEventListener("mouseout", release);
  document.addEventListener("focusout", release);
  window.addEventListener("scroll", () => tipped && place(tipped), { capture: true, passive: true });
  window.addEventListener("resize", () => tipped && place(tipped));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const where of document.querySelectorAll(".tipped:hover, .tipped:focus-within")) where.classList.add("dismissed");
  });
  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element && event.target.closest("[data-copy]");
    if (button) copy(button);
  });

  const refused = document.querySelector(".refusal");
  if (refused) {
    refused.focus({ preventScroll: true });
    refused.scrollIntoView({ block: "center" });
  }

  setNow(document.querySelector("[data-now]")?.dataset.now);
  dress(document);
  setInterval(showAges, 1000);
  return { dress, setNow };
})();
