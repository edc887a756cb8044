// The head, exactly: its sum over channels, over places, and what switching one off does to the probability.

const last = () => page.layers[page.layers.length - 1];

// Pooled channels, scaled as the dense layer takes them, with channels and places set to zero.
function pooledOf(off) {
  const { shape: [units, height, width], values } = arrays[`maps/${last().name}`];
  const places = height * width, kind = page.head.kind;
  const means = new Float64Array(units), cubes = new Float64Array(units), maxima = new Float64Array(units);
  for (let unit = 0; unit < units; unit++) {
    if (off.channels.has(unit)) continue;
    for (let place = 0; place < places; place++) {
      const value = off.places.has(place) ? 0 : values[unit * places + place];
      means[unit] += value / places;
      cubes[unit] += value ** 3 / places;
      maxima[unit] = Math.max(maxima[unit], value);
    }
  }
  const scale = page.head.scale;
  if (kind === "linear") return { inputs: means.map((value) => value / scale), cubes, maxima };
  if (kind === "concat") return { inputs: Float64Array.from([...means, ...maxima], (value) => value / scale), cubes, maxima };
  const roots = cubes.map((mean) => Math.cbrt(Math.max(mean, page.head.floor)));
  const length = Math.hypot(...roots);
  return { inputs: roots.map((value) => value / length / scale), cubes, maxima, length };
}

function logitsOf(inputs) {
  const { shape: [count, outputs], values } = arrays["head/kernel"];
  return Array.from(arrays["head/bias"].values, (bias, output) => {
    let sum = bias;
    for (let i = 0; i < count; i++) sum += inputs[i] * values[i * outputs + output];
    return sum;
  });
}

function probabilitiesOf(logits) {
  const scaled = logits.map((logit) => logit / page.head.temperature);
  if (page.head.output === "binary") {
    const second = 1 / (1 + Math.exp(-scaled[0]));
    return [1 - second, second];
  }
  const largest = Math.max(...scaled), powers = scaled.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

// The weights whose sum is the logit of a class minus that of its strongest rival; of a sigmoid, the logit.
function marginOf(label, logits) {
  const { shape: [count, outputs], values } = arrays["head/kernel"], bias = arrays["head/bias"].values;
  if (outputs === 1) {
    const sign = label ? 1 : -1;
    return { rival: 1 - label, weights: values.map((weight) => sign * weight), bias: sign * bias[0] };
  }
  const rival = logits.map((logit, i) => [i === label ? -Infinity : logit, i]).sort((a, b) => b[0] - a[0])[0][1];
  const weights = Float64Array.from({ length: count }, (_, i) => values[i * outputs + label] - values[i * outputs + rival]);
  return { rival, weights, bias: bias[label] - bias[rival] };
}

// What each channel adds to the margin; for `concat` its mean and its maximum together.
function channelSums(inputs, weights) {
  const units = last().shape[2], sums = new Float64Array(units);
  for (let i = 0; i < inputs.length; i++) sums[i % units] += inputs[i] * weights[i];
  return sums;
}

// What each place adds to the margin. A mean is a sum over places; a maximum belongs to the place that has it;
// a generalized mean is the sum of its places' cubes, times one factor. `elsewhere` belongs to no place.
function placeSums(off, { cubes, length }, weights) {
  const { shape: [units, height, width], values } = arrays[`maps/${last().name}`];
  const places = height * width, sums = new Float64Array(places), { kind, scale, floor } = page.head;
  let elsewhere = 0;
  for (let unit = 0; unit < units; unit++) {
    const shown = (place) => (off.channels.has(unit) || off.places.has(place) ? 0 : values[unit * places + place]);
    if (kind === "gem" && cubes[unit] <= floor) {
      elsewhere += (Math.cbrt(floor) / length / scale) * weights[unit];
      continue;
    }
    let best = 0;
    for (let place = 0; place < places; place++) {
      const value = shown(place);
      const part = kind === "gem" ? value ** 3 / places / cubes[unit] ** (2 / 3) / length : value / places;
      sums[place] += (part / scale) * weights[unit];
      if (value > shown(best)) best = place;
    }
    if (kind === "concat") sums[best] += (shown(best) / scale) * weights[units + unit];
  }
  return { sums, elsewhere };
}

// `c12.p3.c40` as sets of channels and places.
function switchedOff() {
  const off = { channels: new Set(), places: new Set() };
  for (const [, kind, index] of state.off.matchAll(/([cp])(\d+)/g)) {
    const [height, width, units] = last().shape, most = kind === "c" ? units : height * width;
    if (Number(index) < most) (kind === "c" ? off.channels : off.places).add(Number(index));
  }
  return off;
}

function toggle(name) {
  const names = state.off ? state.off.split(".") : [];
  go({ off: (names.includes(name) ? names.filter((each) => each !== name) : [...names, name]).join(".") });
}

sections.push(function head() {
  for (const id of ["head", "places-box", "cam-or-sum"]) at(id).hidden = !page.head;
  at("no-head").hidden = Boolean(page.head);
  if (!page.head) return drawHeat();
  const off = switchedOff(), pooled = pooledOf(off), logits = logitsOf(pooled.inputs);
  const probability = probabilitiesOf(logits)[state.label];
  const whole = probabilitiesOf(logitsOf(pooledOf({ channels: new Set(), places: new Set() }).inputs))[state.label];
  const margin = marginOf(state.label, logits), label = page.classes[state.label], rival = page.classes[margin.rival];
  const channels = channelSums(pooled.inputs, margin.weights), places = placeSums(off, pooled, margin.weights);
  const total = channels.reduce((a, b) => a + b, margin.bias);
  at("class").replaceChildren(...page.shownClasses.map((i) => make("option", page.classes[i], { value: i, selected: i === state.label })));
  at("head-kind").textContent = t(`head_${page.head.kind}`);
  at("margin").textContent = t("margin", { label, rival, margin: number(total), bias: number(margin.bias),
    channels: number(total - margin.bias), places: number(places.sums.reduce((a, b) => a + b, 0)), elsewhere: number(places.elsewhere) });
  at("after").textContent = t(state.off ? "after" : "before", { label, probability: percent(probability, 4), whole: percent(whole, 4) });
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
    const check = make("input", null, { type: "checkbox", id: `channel${unit}`, checked: !off.channels.has(unit) });
    check.addEventListener("change", () => { toggle(`c${unit}`); at(`channel${unit}`)?.focus(); });
    return [make("label", null, {}, check, ` ${t("channel", { channel: unit })}`), number(sums[unit]), bar(sums[unit], largest)];
  });
  rows.push([t("rest_channels", { count: sums.length - shown.length }), number(rest), bar(rest, largest)]);
  at("channels").replaceChildren(tableOf([t("channel_on"), t("adds"), ""], rows));
}

function drawPlaces(sums, off) {
  const [height, width] = last().shape, canvas = at("places");
  const crossed = [...off.places].map((place) => (
    { top: Math.floor(place / width) * last().step, left: (place % width) * last().step, edge: last().step, style: "#f55" }));
  const cursor = { top: placeCursor.y * last().step, left: placeCursor.x * last().step, edge: last().step, style: "#fff" };
  overPhoto(canvas, { width, height, values: sums }, [...crossed, cursor], 0.6);
  const value = number(sums[placeCursor.y * width + placeCursor.x]);
  const text = t("place_adds", { y: placeCursor.y, x: placeCursor.x, value });
  canvas.setAttribute("aria-label", text);
  at("places-text").textContent = text;
}

function drawHeat() {
  const { shape: [height, width], values } = arrays.heat, canvas = at("heat");
  overPhoto(canvas, { width, height, values }, [], 0.6);
  canvas.setAttribute("aria-label", t("grad_cam", { label: page.classes[page.predicted] }));
  at("heat-text").textContent = t("grad_cam", { label: page.classes[page.predicted] });
}

const placeCursor = { y: 0, x: 0 };

function listenToHead() {
  const [height, width] = last().shape;
  const move = (down, right) => () => {
    placeCursor.y = Math.min(Math.max(placeCursor.y + down, 0), height - 1);
    placeCursor.x = Math.min(Math.max(placeCursor.x + right, 0), width - 1);
    draw();
  };
  const flip = () => toggle(`p${placeCursor.y * width + placeCursor.x}`);
  onKeys(at("places"), { ArrowUp: move(-1, 0), ArrowDown: move(1, 0), ArrowLeft: move(0, -1), ArrowRight: move(0, 1),
    " ": flip, Enter: flip });
  at("places").addEventListener("click", (event) => {
    Object.assign(placeCursor, clicked(event, height, width));
    flip();
  });
  at("class").addEventListener("change", (event) => go({ label: Number(event.target.value) }));
  at("reset").addEventListener("click", () => go({ off: "" }));
}
