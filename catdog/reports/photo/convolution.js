// A convolution step by step: a 3 × 3 window over the photo, its products and their sum.

const EDGES = [-1, -1, -1, -1, 8, -1, -1, -1, -1]; // the lecture's kernel

const grey = (y, x) => {
  const i = 3 * (y * inputSize() + x), [r, g, b] = arrays.pixels.values.subarray(i, i + 3);
  return Math.round(0.299 * r + 0.587 * g + 0.114 * b);
};
const isInside = (y, x) => y >= 0 && x >= 0 && y < inputSize() && x < inputSize();

// The nine grey values around a place; 0 outside of the photo.
function greyWindow(row, column) {
  return Array.from({ length: 9 }, (_, i) => {
    const [y, x] = [row - 1 + Math.floor(i / 3), column - 1 + (i % 3)];
    return isInside(y, x) ? grey(y, x) : 0;
  });
}

const nineSum = (values) => values.reduce((total, value, i) => total + value * EDGES[i], 0);

let typed; // numbers that the user typed into the window
let typedAt; // the place where

sections.push(function convolution() {
  if (!at("kernel").children.length) {
    const names = [["edges", ""], ...layerNamed("block1_conv1").units.map((unit) => [String(unit), unit])];
    at("kernel").replaceChildren(...names.map(([value]) => make("option", value, { value })));
  }
  for (const option of at("kernel").children) {
    const unit = option.value;
    option.textContent = unit === "edges" ? t("the lecture's: 8 in the middle, -1 around it")
      : t("block1_conv1, unit {unit}", { unit });
    option.selected = option.value === state.kernel;
  }
  at("padding").checked = Boolean(state.padding);
  const isEdges = state.kernel === "edges", unit = isEdges ? 0 : Number(state.kernel);
  if (!state.padding) { // without padding the window stays inside
    state.row = Math.min(Math.max(state.row, 1), inputSize() - 2);
    state.column = Math.min(Math.max(state.column, 1), inputSize() - 2);
  }
  overPhoto(at("window"), null, [{ top: state.row - 1, left: state.column - 1, edge: 3, style: "#fc3" }], 1);
  fill("result-text", { size: inputSize() - (state.padding ? 0 : 2) });
  ifChanged("result", `${state.kernel} ${state.padding}`, () => drawResult(isEdges, unit));
  at("products").replaceChildren(...(isEdges ? edgeProducts() : unitProducts(unit)));
  drawPooling();
});

// The pool's window that the middle of the convolution's window is in.
function drawPooling() {
  const pool = layerNamed("block1_pool"), unit = pool.units[0];
  const [y, x] = [state.row, state.column].map((at) => Math.floor(at / 2));
  const made = receiptOf(pool, unit, y, x);
  fill("pooling-text", { unit, y, x, value: number(made.value) });
  at("pooling").replaceChildren(poolTable(made));
}

function drawResult(isEdges, unit) {
  const size = inputSize(), skip = state.padding ? 0 : 1, side = size - 2 * skip;
  const whole = isEdges ? null : unitMap(layerNamed("block1_conv1"), unit);
  const values = Float32Array.from({ length: side * side }, (_, i) => {
    const [y, x] = [Math.floor(i / side) + skip, (i % side) + skip];
    return Math.max(0, isEdges ? nineSum(greyWindow(y, x)) : whole[y * size + x]);
  });
  const white = values.slice().sort()[Math.floor(0.995 * values.length)] || 1;
  const context = at("result").getContext("2d"), shown = at("result").width;
  context.fillRect(0, 0, shown, shown);
  const edge = (shown * side) / size;
  const map = greyMap({ width: side, height: side, values: values.map((value) => Math.min(value, white)) });
  context.drawImage(map, (shown - edge) / 2, (shown - edge) / 2, edge, edge);
}

function edgeProducts() {
  const here = `${state.row},${state.column}`;
  if (typedAt !== here) [typed, typedAt] = [greyWindow(state.row, state.column), here];
  const sum = make("output", nineSum(typed), { id: "nine-sum" });
  const cells = typed.map((value, i) => {
    const label = t("number {number} of the window", { number: i + 1 });
    const field = make("input", null, { type: "number", value, "aria-label": label });
    const product = make("small", `× ${EDGES[i]} = ${value * EDGES[i]}`);
    field.addEventListener("input", () => {
      typed[i] = Number(field.value);
      product.textContent = `× ${EDGES[i]} = ${typed[i] * EDGES[i]}`;
      sum.textContent = nineSum(typed);
    });
    return make("span", null, {}, field, product);
  });
  const outside = outsideCount();
  const place = { y: state.row, x: state.column };
  at("products-text").textContent = [
    t("Nine grey values around y {y}, x {x}, their products, and the sum of these.", place),
    outside ? t("{outside} of them are outside of the photo: zeros.", { outside }) : "",
  ].join(" ");
  return [make("div", null, { className: "nine" }, ...cells), make("p", `${t("sum")}: `, {}, sum)];
}

function outsideCount() {
  let count = 0;
  for (let i = 0; i < 9; i++) {
    if (!isInside(state.row - 1 + Math.floor(i / 3), state.column - 1 + (i % 3))) count++;
  }
  return count;
}

function unitProducts(unit) {
  const layer = layerNamed("block1_conv1"), made = receiptOf(layer, unit, state.row, state.column);
  const grids = page.preprocessing.channels.map((_, channel) => {
    const mine = made.products.filter((each) => each.channel === channel)
      .sort((a, b) => a.down - b.down || a.right - b.right);
    const cells = mine.map(({ input, weight, product }) =>
      make("span", number(product, 3), {}, make("small", `${number(input, 3)} × ${number(weight, 2)}`)));
    const grid = make("div", null, { className: "nine" }, ...cells);
    return make("div", null, {}, make("p", colourOf(channel)), grid);
  });
  at("products-text").textContent = t(
    "Three channels around y {y}, x {x}: 27 products, their sum {sum}, bias {bias}; after ReLU {value}.",
    { y: state.row, x: state.column, sum: number(made.sum),
    bias: number(made.bias), value: number(made.value) });
  return [make("div", null, { className: "grids" }, ...grids)];
}

function listenToConvolution() {
  onArrows(at("window"), (down, right) => go({ row: state.row + down, column: state.column + right }));
  at("window").addEventListener("click", (event) => {
    const { y, x } = clicked(event, inputSize(), inputSize());
    go({ row: y, column: x });
  });
  at("kernel").addEventListener("change", (event) => go({ kernel: event.target.value }));
  at("padding").addEventListener("change", (event) => go({ padding: Number(event.target.checked) }));
}
