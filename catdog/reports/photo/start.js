// Opens the page: inflates the arrays, checks the page's own arithmetic against Python's, draws.

openPage(() => {
  state.label = page.predicted;
  state.row = state.column = Math.floor(inputSize() / 2);
  Object.assign(state, strongestOf(layerNamed(state.layer), -1));
  readAddress();
  check();
  listenToLayers();
  listenToHead();
  listenToExample();
  listenToConvolution();
});

// Deviations of what the page computes from what Python computed, for people and for tests.
function check() {
  const data = document.body.dataset, first = layerNamed("block1_conv1");
  const largest = arrays.samples.values.reduce((a, b) => Math.max(a, b), 0);
  data.convolution = Math.max(...page.samples.map(([y, x, unit], i) =>
    Math.abs(receiptOf(first, unit, y, x).value - arrays.samples.values[i]) / largest));
  const differences = page.layers.flatMap((layer) => layer.units.slice(0, 2).map((unit) => {
    const { y, x } = strongestOf(layer, unit), made = receiptOf(layer, unit, y, x);
    return made && differenceOf(layer, unit, y, x, made);
  })).filter((difference) => difference !== undefined);
  data.receipts = Math.max(...differences);
  data.receiptsCount = differences.length;
  if (!page.head) return;
  const found = resultsOf(logitsOf(pooledOf(NOTHING).inputs));
  data.head = Math.max(...found.map((result, i) => Math.abs(result - page.results[i])));
}

sections.push(function checks() {
  const data = document.body.dataset, shown = (value) => Number(value).toExponential(1);
  const head = page.head ? t("What the head predicts differs by {head}.", { head: shown(data.head) }) : "";
  const checked = t(
    "Checked in this page: block1_conv1 computed from the pixels differs from JAX by {convolution} of the " +
    "largest value, {count} receipts by at most {receipts} of the sizes of their products.",
    { convolution: shown(data.convolution), receipts: shown(data.receipts), count: data.receiptsCount });
  at("checks").textContent = `${checked} ${head}`;
});
