// What is shown is an address: `#layer=block3_conv2&unit=17&y=5&x=9`. Every section draws itself from `state`.

const state = { lang: "en", layer: "block1_conv1", unit: 0, y: 0, x: 0, label: 0, off: "", kernel: "edges",
  row: 0, column: 0, padding: 1 };
const sections = []; // functions that draw

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const layer = layerNamed(given.get("layer")) || layerNamed(state.layer);
  if (given.has("layer") || given.has("unit")) {
    Object.assign(state, strongestOf(layer, Number(given.get("unit") ?? layer.units[0])), { layer: layer.name });
  }
  for (const name of ["y", "x", "label", "row", "column", "padding"]) {
    if (/^\d+$/.test(given.get(name) ?? "")) state[name] = Number(given.get(name));
  }
  for (const name of ["off", "kernel"]) if (given.has(name)) state[name] = given.get(name);
  if (page.text[given.get("lang")]) state.lang = given.get("lang");
  keepInside();
}

// `#section=layers` scrolls there.
function scrollToSection() {
  const section = new URLSearchParams(location.hash.slice(1)).get("section");
  [...document.querySelectorAll("[data-section]")].find((each) => each.dataset.section === section)?.scrollIntoView();
}

function keepInside() {
  const layer = layerNamed(state.layer), last = inputSize() - 1, within = (at, most) => Math.min(Math.max(at, 0), most);
  state.unit = within(state.unit, layer.shape[2] - 1);
  state.y = within(state.y, layer.shape[0] - 1);
  state.x = within(state.x, layer.shape[1] - 1);
  state.row = within(state.row, last);
  state.column = within(state.column, last);
  state.label = within(state.label, page.classes.length - 1);
}

// A unit and the place of its largest value; the strongest unit where the layer has no such unit.
function strongestOf(layer, unit) {
  const chosen = unit >= 0 && unit < layer.shape[2] ? unit : layer.units[0];
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
    element.textContent = t(element.dataset.text, { photo: page.photo, model: page.model, version: page.version });
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

const number = (value, digits = 4) => {
  if (value === 0) return "0";
  return Math.abs(value) >= 1000 ? value.toFixed(0) : value.toPrecision(digits);
};
const percent = (fraction, digits = 2) => `${(100 * fraction).toFixed(digits)}%`;
const grouped = (count) => count.toLocaleString("en-US");
