// ReLU against sigmoid: the gradient of each layer, and a deep stack that is trained with each.

const NAMES = { relu: N_("ReLU"), sigmoid: N_("sigmoid"), glorot: N_("Glorot"), he: N_("He"),
  pretrained: N_("pretrained") };
const nameOfStart = ({ activation, start }) => `${t(NAMES[activation])}, ${t(NAMES[start])}`;

sections.push(function gradients() {
  ifChanged("gradients", `${state.lang} ${chartWidth()}`, () => {
    drawGradients();
    drawStacks();
  });
});

// One colour for each start, a line for ReLU, dashes for sigmoid.
function inkOfStart({ activation, start }) {
  const colour = COLOURS[["glorot", "he", "pretrained"].indexOf(start)];
  return { colour, dash: activation === "sigmoid" ? "6 4" : "" };
}

function drawGradients() {
  const { found, layers } = page.gradients;
  fill("gradients-text", page.gradients);
  const lines = found.map((each) => ({ name: nameOfStart(each), ...inkOfStart(each), xs: layers.map((_, i) => i),
    ...overSeedsInPowers(each.sizes) }));
  const short = layers.map((name, i) => [i, name.replace("block", "").replace("conv", "")]);
  const ticks = chartWidth() < 560 ? short.filter((_, i) => i % 3 === 0) : short;
  at("gradients").replaceChildren(lineChart({ title: t("ReLU against sigmoid"),
    x: { label: t("convolution, from the photo to the features"), ticks },
    y: { label: t("size of the gradient"), log: true }, lines, height: 340 }));
  const rows = found.map((each, i) => {
    const { mean } = lines[i], last = mean.length - 1;
    const ratio = mean[0] === null || mean[last] === null ? "0" : known(mean[0] / mean[last]);
    return [nameOfStart(each), known(mean[0]), known(mean[last]), ratio];
  });
  at("gradients-table").replaceChildren(tableOf(
    ["", layers[0], layers[layers.length - 1], t("first divided by last")], rows));
}

function drawStacks() {
  const { found, every } = page.stacks;
  fill("stacks-text", page.stacks);
  const lines = found.map((each) => ({ name: nameOfStart(each), ...inkOfStart(each),
    xs: each.losses[0].map((_, i) => every * i), ...overSeeds(each.losses) }));
  const guess = Math.log(page.classes.length);
  const gradients = found.map((each) => ({ name: nameOfStart(each), ...inkOfStart(each),
    xs: each.gradients[0].map((_, layer) => layer + 1), ...overSeedsInPowers(each.gradients) }));
  at("stacks").replaceChildren(
    lineChart({ title: t("Loss of the stack on the training photos"), x: { label: t("step") },
      y: { label: t("loss in nats"), least: 0, most: 2 * guess }, lines }),
    lineChart({ title: t("Gradients of the stack before the first step"),
      x: { label: t("dense layer, from the features to the classes") },
      y: { label: t("size of the gradient"), log: true }, lines: gradients }));
  const rows = found.map((each, i) => {
    const gradient = gradients[i].mean, { mean, low, high } = lines[i];
    const last = mean.length - 1;
    return [nameOfStart(each), written(each.rate), known(gradient[0]), known(gradient[gradient.length - 1]),
      mean[last] === null ? t("diverged") : written(mean[last]), rangeOf(low[last], high[last])];
  });
  at("stacks-table").replaceChildren(tableOf(["", t("learning rate"), t("gradient of the first layer"),
    t("gradient of the last layer"), t("loss at the end"), t("range over seeds")], rows));
}

const known = (value) => (value === null ? "0" : written(value, 2)); // a mean of powers is null where one is 0
const rangeOf = (low, high) => (low === null ? "" : `${written(low)} … ${written(high)}`);
