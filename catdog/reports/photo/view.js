// What is shown is an address: `#layer=block3_conv2&unit=17&y=5&x=9`. Every section draws from `state`.

const state = { lang: "en", layer: "block5_conv3", unit: 0, y: 0, x: 0, // a value of a map
  label: 0, off: "", place: 0, // the head: class, what is switched off, where the cursor is
  kernel: "edges", row: 0, column: 0, padding: 1 }; // the convolution
const sections = []; // functions that draw
const drawn = new Map(); // what is drawn → for which state

// Calls `build` only where the key has changed: what has the focus stays, and keys stay fast.
function ifChanged(name, key, build) {
  if (drawn.get(name) !== key) build();
  drawn.set(name, key);
}

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const layer = layerNamed(given.get("layer")) || layerNamed(state.layer);
  if (given.has("layer") || given.has("unit")) {
    const unit = Number(given.get("unit") ?? layer.units[0]);
    Object.assign(state, { layer: layer.name, ...strongestOf(layer, unit) });
  }
  for (const name of ["y", "x", "label", "place", "row", "column", "padding"]) {
    if (/^\d+$/.test(given.get(name) ?? "")) state[name] = Number(given.get(name));
  }
  if (given.has("off")) state.off = given.get("off");
  if (/^(edges|\d|[1-5]\d|6[0-3])$/.test(given.get("kernel") ?? "")) state.kernel = given.get("kernel");
  if (page.text[given.get("lang")]) state.lang = given.get("lang");
  keepInside();
}

// `#section=layers` scrolls there.
function scrollToSection() {
  const wanted = new URLSearchParams(location.hash.slice(1)).get("section");
  const all = [...document.querySelectorAll("[data-section]")];
  all.find((each) => each.dataset.section === wanted)?.scrollIntoView();
}

function keepInside() {
  const layer = layerNamed(state.layer), edge = inputSize() - 1;
  const within = (at, most) => Math.min(Math.max(at, 0), most);
  state.unit = within(state.unit, layer.shape[2] - 1);
  state.y = within(state.y, layer.shape[0] - 1);
  state.x = within(state.x, layer.shape[1] - 1);
  state.row = within(state.row, edge);
  state.column = within(state.column, edge);
  state.place = within(state.place, last().shape[0] * last().shape[1] - 1);
  state.label = within(state.label, page.classes.length - 1);
}

// A unit and the place of its largest value; the strongest unit where the layer has no such unit.
function strongestOf(layer, unit) {
  const chosen = layer.units.includes(unit) ? unit : layer.units[0];
  const [y, x] = arrays[`strongest/${layer.name}`].values.subarray(2 * chosen);
  return { unit: chosen, y, x };
}

function go(changes) {
  Object.assign(state, changes);
  keepInside();
  history.replaceState(null, "", `#${new URLSearchParams(state)}`);
  draw();
}

function goToLayer(name) {
  if (name !== state.layer) go({ layer: name, ...strongestOf(layerNamed(name), -1) });
}

function draw() {
  document.documentElement.lang = state.lang;
  document.title = t("title", { photo: page.photo });
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = t(element.dataset.text, page);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", t(element.dataset.label));
  }
  for (const section of sections) section();
}

// A sentence in the language of the page.
function t(key, fields = {}) {
  return page.text[state.lang][key].replace(/\{(\w+)\}/g, (_, name) => fields[name]);
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

const at = (id) => document.getElementById(id);

function tableOf(head, rows) {
  const cell = (tag) => (content) => {
    const made = make(tag);
    made.append(content);
    return made;
  };
  const headings = head.map((text) => make("th", text, { scope: "col" }));
  const lines = rows.map((row) => make("tr", null, {}, ...row.map(cell("td"))));
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
