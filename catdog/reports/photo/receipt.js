// Where one value comes from: its products, added up.

const TOLERANCE = 0.001; // of the sum of the sizes of all products: float16 has 11 bits
const SHOWN = 10; // products; all 27 of the first layer

sections.push(function receipt() {
  const layer = layerNamed(state.layer), { unit, y, x } = state;
  const made = receiptOf(layer, unit, y, x);
  const title = t("Where the value of {layer}, unit {unit}, at y {y}, x {x} comes from:",
    { layer: layer.name, unit, y, x });
  if (!made) return at("receipt").replaceChildren(make("p", title), make("p", missingSentence(layer)));
  const table = made.four ? poolTable(made) : convolutionTable(layer, made);
  const compared = make("p", comparison(layer, made), { className: "dim" });
  at("receipt").replaceChildren(make("p", title), table, compared);
});

function missingSentence(layer) {
  if (layer.pool) return t("The four inputs of this value are not in the page.");
  const units = layer.units.slice(0, page.kernels).join(", ");
  return layer.places.length ? t(
    "The inputs of this place are not in the page. In this layer, receipts are there for the units {units}, " +
    "each at the places with a green square.", { units })
    : t("The weights of this unit are not in the page. Those of the units {units} are.", { units });
}

function convolutionTable(layer, { products, bias, sum, value }) {
  const shown = products.slice(0, layerBefore(layer) ? SHOWN : products.length);
  const rest = products.slice(shown.length).reduce((total, { product }) => total + product, 0);
  const largest = Math.abs(products[0].product);
  const rows = shown.map((each) => [sourceOf(layer, each), number(each.input), number(each.weight),
    number(each.product), bar(each.product, largest)]);
  const line = (name, result) => rows.push([name, "", "", number(result), ""]);
  const others = products.length - shown.length;
  if (others) line(t("the {count} other products", { count: grouped(others) }), rest);
  line(t("bias"), bias);
  line(t("sum"), sum + bias);
  line("ReLU: max(0, …)", value);
  return tableOf([t("from"), t("input"), t("weight"), t("product"), ""], rows);
}

// Where an input comes from: a button that goes there, or a colour of a pixel.
function sourceOf(layer, { down, right, channel }) {
  const before = layerBefore(layer), [y, x] = [state.y + down, state.x + right];
  const isInside = y >= 0 && x >= 0 && y < layer.shape[0] && x < layer.shape[1];
  const name = before ? t("unit {unit}, y {y}, x {x}", { unit: channel, y, x })
    : t("{colour}, y {y}, x {x}", { colour: colourOf(channel), y, x });
  if (!before || !isInside) return name;
  return button(name, () => {
    go({ layer: before.name, unit: channel, y, x });
    at("receipt").querySelector("button")?.focus();
  });
}

function poolTable({ four, value }) {
  const won = four.find((each) => each.value === value);
  return tableOf([t("place"), t("input"), ""], four.map((each) =>
    [`y ${each.y}, x ${each.x}`, number(each.value), each === won ? t("the largest: this one goes on") : ""]));
}

function comparison(layer, made) {
  const difference = differenceOf(layer, state.unit, state.y, state.x, made);
  if (difference === undefined) {
    return t("The page computed this from the photo's pixels with the network's own weights.");
  }
  return t(
    "The page added this up itself. It differs from the value that JAX computed by {difference} % of the " +
    "sizes of all products; allowed are {tolerance} %, since the numbers in the page have 11 bits.",
    { difference: (100 * difference).toPrecision(2), tolerance: 100 * TOLERANCE });
}

// Of a receipt from the value that Python computed, relative to the sum of the sizes of its products.
function differenceOf(layer, unit, y, x, made) {
  const map = exactMap(layer, unit);
  return map && made.size ? Math.abs(map.values[y * map.width + x] - made.value) / made.size : undefined;
}
