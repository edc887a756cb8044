// What every page that computes has: facts and arrays from Python, an address, languages, elements, keys.
// A page has a `state`, and the functions `readAddress` and `keepInside`; each of its sections draws from it.

let page; // the facts, from Python
let arrays; // name → {shape, values}
const sections = []; // functions that draw
const drawn = new Map(); // what is drawn → for which state

// Calls `build` only where the key has changed: what has the focus stays, and keys stay fast.
function ifChanged(name, key, build) {
  if (drawn.get(name) !== key) build();
  drawn.set(name, key);
}

// `#section=layers` scrolls there.
function scrollToSection() {
  const wanted = new URLSearchParams(location.hash.slice(1)).get("section");
  const all = [...document.querySelectorAll("[data-section]")];
  all.find((each) => each.dataset.section === wanted)?.scrollIntoView();
}

// Takes over what the address says: these numbers, these words, and the language.
function take(given, numbers, words) {
  for (const name of numbers) if (/^\d+$/.test(given.get(name) ?? "")) state[name] = Number(given.get(name));
  for (const name of words) if (given.has(name)) state[name] = given.get(name);
  if (page.text[given.get("lang")]) state.lang = given.get("lang");
  keepInside();
}

function go(changes) {
  Object.assign(state, changes);
  keepInside();
  history.replaceState(null, "", `#${new URLSearchParams(state)}`);
  draw();
}

function draw() {
  document.documentElement.lang = state.lang;
  document.title = document.querySelector("h1").textContent = told(page.title);
  for (const element of document.querySelectorAll("[data-text]")) fill(element);
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", t(element.dataset.label));
  }
  ifChanged("contents", state.lang, () => at("contents").replaceChildren(
    ...[...document.querySelectorAll("[data-section]")].map((each) =>
      make("a", each.querySelector("h2").textContent, { href: `#section=${each.dataset.section}` }))));
  for (const section of sections) section();
  document.body.dataset.drawn = ""; // before, sentences lack their numbers and are hidden
}

// A sentence in the language of the page, by the English one. Python finds what `t` and `N_` are called with.
function t(sentence, fields = {}) {
  const translated = page.text[state.lang][sentence] ?? sentence;
  return translated.replace(/\{(\w+)\}/g, (_, name) => [fields[name]].flat().join(", "));
}

const N_ = (sentence) => sentence; // marks one that is translated elsewhere
const told = (message) => message[state.lang]; // a message of Python's

// Fills in the fields of an element's own sentence, which has `data-text`; returns it.
function fill(place, fields) {
  const element = typeof place === "string" ? at(place) : place;
  element.fields = fields ?? element.fields ?? page;
  element.dataset.text ||= element.textContent;
  return element.textContent = t(element.dataset.text, element.fields);
}

// A new element: make("td", "3", {className: "good"}, child, …).
function make(tag, text, properties = {}, ...children) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// A button that calls `act`.
function button(text, act, properties = {}, ...children) {
  const made = make("button", text, { type: "button", ...properties }, ...children);
  made.addEventListener("click", act);
  return made;
}

const at = (id) => document.getElementById(id);
const within = (value, most) => Math.min(Math.max(value, 0), most);

function tableOf(head, rows) {
  const headings = head.map((text) => make("th", text, { scope: "col" }));
  const lines = rows.map((row) => make("tr", null, {}, ...row.map((cell) => make("td", null, {}, cell))));
  return make("table", null, {}, make("thead", null, {}, make("tr", null, {}, ...headings)),
    make("tbody", null, {}, ...lines));
}

// Arrow keys on an element: {ArrowLeft: () => …}.
function onKeys(element, keys) {
  element.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });
}

// `move(down, right)` for each of the four arrow keys.
function onArrows(element, move) {
  onKeys(element, { ArrowUp: () => move(-1, 0), ArrowDown: () => move(1, 0),
    ArrowLeft: () => move(0, -1), ArrowRight: () => move(0, 1) });
}

const number = (value, digits = 4) => {
  if (value === 0) return "0";
  return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(digits);
};
const percent = (fraction, digits = 2) => `${(100 * fraction).toFixed(digits)}%`;
const grouped = (count) => count.toLocaleString("en-US");

// Reads what Python wrote, lets the page prepare itself, draws, and follows the address.
async function openPage(prepare) {
  page = JSON.parse(at("facts-data").textContent);
  arrays = await inflateAll(page.arrays);
  state.lang = page.language;
  prepare();
  for (const [lang, name] of Object.entries(page.languages)) {
    at("languages").append(button(name, () => go({ lang }), { lang }));
  }
  addEventListener("hashchange", () => { readAddress(); draw(); scrollToSection(); });
  draw();
  scrollToSection();
  document.body.dataset.ready = "yes";
}
