// Renews what the page shows every two seconds. Without this script the page reloads itself.
"use strict";

const EVERY_MS = 2000;
const HIDDEN_EVERY_MS = 15000;
const LIMIT_MS = 10000;

const live = document.getElementById("live");
const note = document.getElementById("note");
let seen = new Date();
let leaving = false;

// Somebody marks a text or has given an order: what they look at stays.
function isHeld() {
  const marked = document.getSelection();
  return leaving || (marked && !marked.isCollapsed && live.contains(marked.anchorNode));
}

function show(text) {
  const open = new Set([...live.querySelectorAll("details[open]")].map((part) => part.dataset.key));
  const focus = document.activeElement && document.activeElement.dataset.key;
  // Everything in it was escaped by the worker, and the page's policy runs no inline script.
  live.innerHTML = text;
  for (const part of live.querySelectorAll("[data-key]")) {
    if (part.tagName === "DETAILS" && open.has(part.dataset.key)) part.open = true;
    if (focus && part.tagName === "BUTTON" && part.dataset.key === focus) part.focus();
  }
}

async function renew() {
  try {
    const answer = await fetch("/page/live", { cache: "no-store", signal: AbortSignal.timeout(LIMIT_MS) });
    if (!answer.ok || answer.redirected) throw new Error(`it answers ${answer.status}`);
    const text = await answer.text();
    seen = new Date();
    note.hidden = true;
    live.classList.remove("stale");
    if (!isHeld()) show(text);
  } catch (error) {
    const seconds = Math.round((new Date() - seen) / 1000);
    note.textContent = `The worker does not answer (${error.message}). What is shown is ${seconds} s old; it is asked again.`;
    note.hidden = false;
    live.classList.add("stale");
  }
  setTimeout(renew, document.hidden ? HIDDEN_EVERY_MS : EVERY_MS);
}

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
  else leaving = true;
});

// A page that comes back from the browser's cache goes on.
window.addEventListener("pageshow", () => { leaving = false; });

setTimeout(renew, EVERY_MS);
