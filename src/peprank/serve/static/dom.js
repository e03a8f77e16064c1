"use strict";
// Elements are made here and nowhere else. What is put into them is text, whatever a name or a value holds.

const at = (id) => document.getElementById(id);

function element(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value !== undefined && value !== null) made.setAttribute(name, value);
  }
  made.append(...children); // strings become text nodes
  return made;
}

// A name that may be broken after an underscore, where it does not fit into a line.
const breakable = (name) => name.split(/(?<=_)/).flatMap((part, k) => (k ? [element("wbr"), part] : [part]));

// A bar from one place to another, both as shares of its track; `middle` marks what changes nothing.
function bar(from, to, middle) {
  const fill = element("span", { class: to < from ? "fill less" : "fill" });
  fill.style.left = percent(Math.min(from, to));
  fill.style.width = percent(Math.abs(to - from));
  const track = element("span", { class: "track", "aria-hidden": "true" }, fill);
  if (middle !== undefined) {
    const mark = element("span", { class: "middle" });
    mark.style.left = percent(middle);
    track.append(mark);
  }
  return track;
}

const percent = (share) => `${100 * Math.min(1, Math.max(0, share))}%`;

// The text of an answer; a refusal becomes an error with the server's own sentence.
async function ask(address, body) {
  const how = body === undefined ? {} : { method: "POST", body, headers: { "Content-Type": "application/json" } };
  let answer, text;
  try {
    answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(15000), ...how });
    text = await answer.text();
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  if (answer.ok) return text;
  throw new Error(sentence(text, answer.status));
}

function sentence(text, status) {
  try {
    const { error } = JSON.parse(text);
    if (typeof error === "string" && error) return error[0].toUpperCase() + error.slice(1) + (error.endsWith(".") ? "" : ".");
  } catch {
    // a proxy answered, not this server
  }
  return `The answer was HTTP ${status}, without a reason.`;
}
