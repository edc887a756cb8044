// The head's section: what channels and places add, and the probability without some of them.

function toggle(name) {
  const names = state.off ? state.off.split(".") : [];
  go({ off: (names.includes(name) ? names.filter((each) => each !== name) : [...names, name]).join(".") });
}

const KINDS = {
  gem: N_(
    "This head takes the generalized mean of each channel over all places (the cube root of the mean of the " +
    "cubes), scales the vector to unit length, and adds up its products with the weights."),
  concat: N_(
    "This head takes the mean and the maximum of each channel over all places, and adds up their products " +
    "with the weights."),
  linear: N_("This head takes the mean of each channel over all places, and adds up its products with the weights."),
};
const MARGINS = { // by the output
  category: N_(
    "The logit of {label} minus the logit of {rival} is {margin}: channels {channels}, bias {bias}. The " +
    "same channels, divided among the places: {places}, and {elsewhere} that belongs to no place."),
  labels: N_(
    "The logit of {label} is {margin}: channels {channels}, bias {bias}. The same channels, divided among " +
    "the places: {places}, and {elsewhere} that belongs to no place."),
  value: N_(
    "The value is {margin}: channels {channels}, bias {bias}. The same channels, divided among the places: " +
    "{places}, and {elsewhere} that belongs to no place."),
};

sections.push(function head() {
  for (const id of ["head", "places-box", "cam-or-sum"]) at(id).hidden = !page.head;
  at("no-head").hidden = Boolean(page.head);
  if (!page.head) return drawHeat();
  const off = switchedOff(), pooled = pooledOf(off), logits = logitsOf(pooled.inputs);
  const isValue = page.head.output === "value";
  const shown = (each) => (isValue ? `${number(each, 6)} ${page.head.unit}` : percent(each, 4));
  const result = shown(resultsOf(logits)[state.label]);
  const whole = shown(resultsOf(logitsOf(pooledOf(NOTHING).inputs))[state.label]);
  const margin = marginOf(state.label, logits);
  const [label, rival] = [page.classes[state.label], page.classes[margin.rival]];
  const channels = channelSums(pooled.inputs, margin.weights);
  const places = placeSums(off, pooled, margin.weights);
  const total = channels.reduce((a, b) => a + b, margin.bias);
  at("class").replaceChildren(...page.shownClasses.map((i) =>
    make("option", page.classes[i], { value: i, selected: i === state.label })));
  at("head-kind").textContent = t(KINDS[page.head.kind]);
  at("class").parentElement.hidden = isValue;
  at("margin").textContent = t(MARGINS[page.head.output] ?? MARGINS.category,
    { label, rival, margin: number(total), bias: number(margin.bias),
    channels: number(total - margin.bias), places: number(places.sums.reduce((a, b) => a + b, 0)),
    elsewhere: number(places.elsewhere) });
  at("after").textContent = t(state.off ? N_("{label}: {result}. With everything on it was {whole}.")
    : N_("{label}: {result}. Switch a channel or a place off to see it change."), { label, result, whole });
  at("reset").hidden = !state.off;
  drawChannels(channels, off);
  drawPlaces(places.sums, off);
  drawHeat();
});

function drawChannels(sums, off) {
  const order = [...sums.keys()].sort((a, b) => Math.abs(sums[b]) - Math.abs(sums[a]));
  const shown = [...new Set([...off.channels, ...order.slice(0, 12)])], largest = Math.abs(sums[order[0]]);
  const rest = sums.reduce((a, b) => a + b, 0) - shown.reduce((total, unit) => total + sums[unit], 0);
  const rows = shown.map((unit) => {
    const id = `channel${unit}`, checked = !off.channels.has(unit);
    const check = make("input", null, { type: "checkbox", id, checked });
    check.addEventListener("change", () => { toggle(`c${unit}`); at(id)?.focus(); });
    const name = make("label", null, {}, check, ` ${t("channel {channel}", { channel: unit })}`);
    return [name, number(sums[unit]), bar(sums[unit], largest)];
  });
  const others = t("the {count} other channels", { count: sums.length - shown.length });
  rows.push([others, number(rest), bar(rest, largest)]);
  at("channels").replaceChildren(tableOf([t("channel (on)"), t("adds"), ""], rows));
}

function drawPlaces(sums, off) {
  const [height, width] = last().shape, canvas = at("places"), edge = last().step;
  const square = (place, style) =>
    ({ top: Math.floor(place / width) * edge, left: (place % width) * edge, edge, style });
  const marks = [...[...off.places].map((place) => square(place, "#f55")), square(state.place, "#fff")];
  overPhoto(canvas, { width, height, values: sums }, marks, 0.6);
  const [y, x] = [Math.floor(state.place / width), state.place % width];
  canvas.setAttribute("aria-label", fill("places-text", { y, x, value: number(sums[state.place]) }));
}

function drawHeat() {
  const { shape: [height, width], values } = arrays.heat, canvas = at("heat");
  overPhoto(canvas, { width, height, values }, [], 0.6);
  canvas.setAttribute("aria-label", fill("heat-text", { label: page.classes[page.predicted] }));
}

function listenToHead() {
  const [height, width] = last().shape;
  onArrows(at("places"), (down, right) => {
    const y = Math.floor(state.place / width) + down, x = (state.place % width) + right;
    if (y >= 0 && y < height && x >= 0 && x < width) go({ place: y * width + x });
  });
  const flip = () => toggle(`p${state.place}`);
  onKeys(at("places"), { " ": flip, Enter: flip });
  at("places").addEventListener("click", (event) => {
    const { y, x } = clicked(event, height, width);
    go({ place: y * width + x });
    flip();
  });
  at("class").addEventListener("change", (event) => go({ label: Number(event.target.value) }));
  at("reset").addEventListener("click", () => go({ off: "" }));
}
