// The head, exactly: pooled channels, logits, probabilities, and a difference of logits as a sum over
// channels and as a sum over places. `off` has the channels and places that are zero.

const last = () => page.layers[page.layers.length - 1];
const NOTHING = { channels: new Set(), places: new Set() };

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
  if (kind === "linear") return { inputs: means.map((value) => value / scale), cubes };
  if (kind === "concat") {
    return { inputs: Float64Array.from([...means, ...maxima], (value) => value / scale), cubes };
  }
  const roots = cubes.map((mean) => Math.cbrt(Math.max(mean, page.head.floor)));
  const length = Math.hypot(...roots);
  return { inputs: roots.map((value) => value / length / scale), cubes, length };
}

function logitsOf(inputs) {
  const { shape: [count, outputs], values } = arrays["head/kernel"];
  return Array.from(arrays["head/bias"].values, (bias, output) => {
    let sum = bias;
    for (let i = 0; i < count; i++) sum += inputs[i] * values[i * outputs + output];
    return sum;
  });
}

// What logits stand for: the probability of each class, or of each label, or one value.
function resultsOf(logits) {
  const { output, temperature, deviation, mean } = page.head;
  if (output === "value") return [logits[0] * deviation + mean];
  const scaled = logits.map((logit) => logit / temperature), sigmoid = (logit) => 1 / (1 + Math.exp(-logit));
  if (output === "labels") return scaled.map(sigmoid);
  if (output === "binary") return [sigmoid(-scaled[0]), sigmoid(scaled[0])];
  const largest = Math.max(...scaled), powers = scaled.map((logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((power) => power / sum);
}

// The weights whose sum decides. It is the logit of a class minus that of its strongest rival; of a label,
// its logit; of a value, the value.
function marginOf(label, logits) {
  const { shape: [count, outputs], values } = arrays["head/kernel"], bias = arrays["head/bias"].values;
  const { output, deviation, mean } = page.head;
  if (output === "binary" || output === "value") {
    const factor = output === "value" ? deviation : label ? 1 : -1;
    const weights = values.map((weight) => factor * weight);
    return { rival: 1 - label, weights, bias: factor * bias[0] + (output === "value" ? mean : 0) };
  }
  const others = logits.map((logit, i) => (i === label ? -Infinity : logit));
  const rival = others.indexOf(Math.max(...others));
  const weightOf = (input, output) => values[input * outputs + output];
  const isLabel = output === "labels"; // it has no rival
  const against = (i) => (isLabel ? 0 : weightOf(i, rival));
  const weights = Float64Array.from({ length: count }, (_, i) => weightOf(i, label) - against(i));
  return { rival, weights, bias: bias[label] - (isLabel ? 0 : bias[rival]) };
}

// What each channel adds to the margin; for `concat` its mean and its maximum together.
function channelSums(inputs, weights) {
  const units = last().shape[2], sums = new Float64Array(units);
  for (let i = 0; i < inputs.length; i++) sums[i % units] += inputs[i] * weights[i];
  return sums;
}

// What each place adds to the margin. A mean is a sum over places; a maximum belongs to the place that has
// it; a generalized mean is the sum of its places' cubes, times one factor. `elsewhere` belongs to no place.
function placeSums(off, { cubes, length }, weights) {
  const { shape: [units, height, width], values } = arrays[`maps/${last().name}`];
  const places = height * width, sums = new Float64Array(places), { kind, scale, floor } = page.head;
  let elsewhere = 0;
  for (let unit = 0; unit < units; unit++) {
    const isOff = (place) => off.channels.has(unit) || off.places.has(place);
    const shown = (place) => (isOff(place) ? 0 : values[unit * places + place]);
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
