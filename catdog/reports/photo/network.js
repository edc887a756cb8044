// The network's own arithmetic: the first blocks from the pixels, and the receipt of any value whose inputs
// are known. A region is {y, x, height, width, channels, values}, values in the order row, column, channel.

const layerNamed = (name) => page.layers.find((layer) => layer.name === name);
const layerBefore = (layer) => page.layers[page.layers.indexOf(layer) - 1]; // undefined before the first
const inputSize = () => arrays.pixels.shape[0];

// Whether the page knows or can compute all values of a layer; undefined is the input.
function isKnown(layer) {
  if (!layer || arrays[`maps/${layer.name}`]) return true;
  return (layer.pool || Boolean(arrays[`kernel/${layer.name}`])) && isKnown(layerBefore(layer));
}

// The values of all channels of a layer within a rectangle; zero outside of the map, as zero padding is.
function region(layer, y, x, height, width) {
  const channels = layer ? layer.shape[2] : 3;
  const made = { y, x, height, width, channels, values: new Float32Array(height * width * channels) };
  const [rows, columns] = layer ? layer.shape : arrays.pixels.shape;
  const fill = fillerOf(layer, made);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const inside = y + row >= 0 && y + row < rows && x + column >= 0 && x + column < columns;
      if (inside) fill(y + row, x + column, channels * (row * width + column));
    }
  }
  return made;
}

// A function that writes the channels of one place into `made.values`.
function fillerOf(layer, made) {
  if (!layer) return (y, x, at) => page.preprocessing.channels.forEach((channel, i) => {
    made.values[at + i] = preprocessed(arrays.pixels.values[3 * (y * inputSize() + x) + channel], i);
  });
  const stored = arrays[`maps/${layer.name}`];
  if (stored) {
    const [, rows, columns] = stored.shape;
    return (y, x, at) => {
      for (let unit = 0; unit < made.channels; unit++) {
        made.values[at + unit] = stored.values[(unit * rows + y) * columns + x];
      }
    };
  }
  if (layer.pool) {
    const from = region(layerBefore(layer), 2 * made.y, 2 * made.x, 2 * made.height, 2 * made.width);
    return (y, x, at) => {
      for (let unit = 0; unit < made.channels; unit++) {
        made.values[at + unit] = Math.max(...fourOf(from, y, x, unit).map(({ value }) => value));
      }
    };
  }
  const from = region(layerBefore(layer), made.y - 1, made.x - 1, made.height + 2, made.width + 2);
  return (y, x, at) => {
    const window = windowOf(from, y, x);
    for (let unit = 0; unit < made.channels; unit++) {
      made.values[at + unit] = Math.max(0, weightedSum(window, kernelOf(layer, unit)) + biasOf(layer, unit));
    }
  };
}

const preprocessed = (pixel, channel) =>
  Math.fround(pixel * page.preprocessing.scale[channel] + page.preprocessing.offset[channel]);

// The four values of a pool's window.
function fourOf(from, y, x, unit) {
  return [[0, 0], [0, 1], [1, 0], [1, 1]].map(([down, right]) => {
    const [row, column] = [2 * y + down, 2 * x + right];
    const at = (row - from.y) * from.width + column - from.x;
    return { y: row, x: column, value: from.values[at * from.channels + unit] };
  });
}

// The 3 × 3 places around (y, x), all channels.
function windowOf(from, y, x) {
  const row = 3 * from.channels, values = new Float32Array(3 * row);
  for (let down = 0; down < 3; down++) {
    const start = ((y - 1 + down - from.y) * from.width + x - 1 - from.x) * from.channels;
    values.set(from.values.subarray(start, start + row), down * row);
  }
  return values;
}

function weightedSum(values, weights) {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] * weights[i];
  return sum;
}

const biasOf = (layer, unit) => arrays[`bias/${layer.name}`].values[unit];

// The 3 × 3 × channels weights of a unit; undefined where they are not in the page.
function kernelOf(layer, unit) {
  const whole = arrays[`kernel/${layer.name}`], some = arrays[`kernels/${layer.name}`];
  return partOf(whole || some, whole ? unit : layer.units.indexOf(unit));
}

// The 3 × 3 × channels inputs of a place of a convolution; undefined where the page cannot know them.
function inputsOf(layer, unit, y, x) {
  if (isKnown(layerBefore(layer))) return windowOf(region(layerBefore(layer), y - 1, x - 1, 3, 3), y, x);
  const found = layer.places[layer.units.indexOf(unit)] || [];
  const place = found.findIndex(([row, column]) => row === y && column === x);
  if (place < 0) return undefined;
  const { shape, values } = arrays[`patches/${layer.name}`];
  const size = shape[2] * shape[3] * shape[4];
  const at = (layer.units.indexOf(unit) * shape[1] + place) * size;
  return values.subarray(at, at + size);
}

// Where a value comes from; undefined where the page lacks inputs or weights.
// Of a convolution: its products, the largest first, their sum and the sum of their sizes, and the bias.
function receiptOf(layer, unit, y, x) {
  if (layer.pool) return poolReceipt(layer, unit, y, x);
  const weights = kernelOf(layer, unit), inputs = weights && inputsOf(layer, unit, y, x);
  if (!inputs) return undefined;
  const channels = inputs.length / 9;
  const products = Array.from(inputs, (input, i) => ({
    down: Math.floor(i / (3 * channels)) - 1,
    right: (Math.floor(i / channels) % 3) - 1,
    channel: i % channels, input, weight: weights[i], product: input * weights[i],
  })).sort((a, b) => Math.abs(b.product) - Math.abs(a.product));
  const bias = biasOf(layer, unit), sum = weightedSum(inputs, weights);
  const size = products.reduce((total, { product }) => total + Math.abs(product), Math.abs(bias));
  return { products, bias, sum, size, value: Math.max(0, sum + bias) };
}

function poolReceipt(layer, unit, y, x) {
  const before = layerBefore(layer);
  let four;
  if (isKnown(before)) {
    four = fourOf(region(before, 2 * y, 2 * x, 2, 2), y, x, unit);
  } else {
    const map = exactMap(before, unit);
    if (!map) return undefined;
    const from = { y: 0, x: 0, width: map.width, channels: 1, values: map.values };
    four = fourOf(from, y, x, 0);
  }
  const value = Math.max(...four.map((each) => each.value));
  return { four, size: value, value };
}
