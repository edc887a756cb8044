// What is shown is an address: `#layer=block3_conv2&unit=17&y=5&x=9`. Every section draws from `state`.

const state = { lang: "en", layer: "block5_conv3", unit: 0, y: 0, x: 0, // a value of a map
  label: 0, off: "", place: 0, // the head: class, what is switched off, where the cursor is
  kernel: "edges", row: 0, column: 0, padding: 1, // the convolution
  cell: 12 }; // of its small example

function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  const layer = layerNamed(given.get("layer")) || layerNamed(state.layer);
  if (given.has("layer") || given.has("unit")) {
    const unit = Number(given.get("unit") ?? layer.units[0]);
    Object.assign(state, { layer: layer.name, ...strongestOf(layer, unit) });
  }
  if (/^(edges|\d|[1-5]\d|6[0-3])$/.test(given.get("kernel") ?? "")) state.kernel = given.get("kernel");
  take(given, ["y", "x", "label", "place", "row", "column", "padding", "cell"], ["off"]);
}

function keepInside() {
  const layer = layerNamed(state.layer), edge = inputSize() - 1;
  state.unit = within(state.unit, layer.shape[2] - 1);
  state.y = within(state.y, layer.shape[0] - 1);
  state.x = within(state.x, layer.shape[1] - 1);
  state.row = within(state.row, edge);
  state.column = within(state.column, edge);
  state.place = within(state.place, last().shape[0] * last().shape[1] - 1);
  state.cell = within(state.cell, exampleCells.length - 1);
  state.label = within(state.label, page.classes.length - 1);
}

// A unit and the place of its largest value; the strongest unit where the layer has no such unit.
function strongestOf(layer, unit) {
  const chosen = layer.units.includes(unit) ? unit : layer.units[0];
  const [y, x] = arrays[`strongest/${layer.name}`].values.subarray(2 * chosen);
  return { unit: chosen, y, x };
}

function goToLayer(name) {
  if (name !== state.layer) go({ layer: name, ...strongestOf(layerNamed(name), -1) });
}
