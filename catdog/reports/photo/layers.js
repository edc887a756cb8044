// The strip of layers, the grid of a layer's maps, and one map large over the photo.

sections.push(function layers() {
  const layer = layerNamed(state.layer);
  ifChanged("strip", "", () => at("strip").replaceChildren(...page.layers.map(layerButton)));
  for (const button of at("strip").children) {
    button.setAttribute("aria-pressed", String(button.getAttribute("aria-label") === layer.name));
  }
  fill("facts", { layer: layer.name, shape: layer.shape.join("×"), field: layer.field,
    parameters: grouped(layer.parameters), work: grouped(layer.work) });
  ifChanged("grid", layer, () =>
    at("grid").replaceChildren(...layer.units.map((unit) => thumbnail(layer, unit))));
  markUnit();
  drawLarge(layer);
});

function layerButton(layer) {
  return button(layer.name.replace("block", ""), () => goToLayer(layer.name),
    { className: layer.pool ? "pool" : "", "aria-label": layer.name }, make("small", layer.shape.slice(1).join("×")));
}

function thumbnail(layer, unit) {
  const canvas = greyMap(smallMap(layer, unit));
  canvas.id = `unit${unit}`;
  canvas.setAttribute("role", "option");
  canvas.addEventListener("click", () => go(strongestOf(layer, unit)));
  return canvas;
}

function markUnit() {
  const grid = at("grid");
  for (const canvas of grid.children) {
    const unit = Number(canvas.id.slice(4)), chosen = unit === state.unit;
    canvas.setAttribute("aria-selected", String(chosen));
    canvas.setAttribute("aria-label", t("unit {unit}", { unit }));
    canvas.title = t("unit {unit}", { unit });
    if (!chosen) continue;
    const below = canvas.offsetTop + canvas.offsetHeight - grid.scrollTop - grid.clientHeight;
    if (below > 0) grid.scrollTop += below;
    if (canvas.offsetTop < grid.scrollTop) grid.scrollTop = canvas.offsetTop;
  }
  grid.setAttribute("aria-activedescendant", `unit${state.unit}`);
}

function drawLarge(layer) {
  const { unit, y, x } = state, map = mapOf(layer, unit), large = at("large");
  const place = { top: y * layer.step, left: x * layer.step, edge: layer.step, style: "#fff" };
  const known = (layer.places[layer.units.indexOf(unit)] || []).map(([row, column]) => (
    { top: row * layer.step, left: column * layer.step, edge: layer.step, style: "#9c6" }));
  overPhoto(large, map, [...known, { ...fieldOf(layer, y, x), style: "#fc3" }, place]);
  const text = t(
    "{layer}, unit {unit} (number {rank} of {count} by its largest value, {largest}). At y {y}, x {x}, the " +
    "white square: {value}. The yellow square is the receptive field, {field} pixels.",
    { layer: layer.name, unit, y, x, value: number(valueAt(layer, map)),
    field: layer.field, largest: number(largestOf(layer, unit)), rank: layer.units.indexOf(unit) + 1,
    count: layer.units.length });
  large.setAttribute("aria-label", text);
  at("large-text").textContent = map.coarse
    ? `${text} ${t("Of this unit the page has a small map only: values are means over squares.")}` : text;
}

function valueAt(layer, map) {
  const row = Math.floor((state.y * map.height) / layer.shape[0]);
  return map.values[row * map.width + Math.floor((state.x * map.width) / layer.shape[1])];
}

function stepLayer(by) {
  const next = page.layers[page.layers.indexOf(layerNamed(state.layer)) + by];
  if (next) goToLayer(next.name);
}

function stepUnit(by) {
  const layer = layerNamed(state.layer), next = layer.units[layer.units.indexOf(state.unit) + by];
  if (next !== undefined) go(strongestOf(layer, next));
}

function listenToLayers() {
  const layerKeys = { ArrowUp: () => stepLayer(-1), ArrowDown: () => stepLayer(1) };
  onKeys(at("grid"), { ArrowLeft: () => stepUnit(-1), ArrowRight: () => stepUnit(1), ...layerKeys });
  onArrows(at("large"), (down, right) => go({ y: state.y + down, x: state.x + right }));
  at("large").addEventListener("click", (event) => {
    const [rows, columns] = layerNamed(state.layer).shape;
    go(clicked(event, rows, columns));
  });
}
