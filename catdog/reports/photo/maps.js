// Whole maps: those that Python computed, those that the page computes, and the small ones of the overview.

// The map of a unit that Python computed: {height, width, values}; undefined where it did not travel.
function exactMap(layer, unit) {
  const whole = arrays[`maps/${layer.name}`], some = arrays[`large/${layer.name}`];
  const stored = whole || some;
  if (!stored) return undefined;
  const values = partOf(stored, whole ? unit : layer.units.indexOf(unit)), [, height, width] = stored.shape;
  return values && { height, width, values };
}

const computed = new Map(); // `layer/unit` → map, and `layer` → region of the whole layer

// The map of a unit as well as the page knows it: exact, computed here, or its small picture.
function mapOf(layer, unit) {
  const exact = exactMap(layer, unit);
  if (exact) return exact;
  const [height, width] = layer.shape;
  if (page.layers.indexOf(layer) < 2) {
    const key = `${layer.name}/${unit}`;
    if (!computed.has(key)) computed.set(key, { height, width, values: unitMap(layer, unit) });
    return computed.get(key);
  }
  return smallMap(layer, unit);
}

// One unit of one of the first two convolutions, over the whole photo.
function unitMap(layer, unit) {
  const before = layerBefore(layer), [height, width] = layer.shape;
  const key = before ? before.name : "input";
  if (!computed.has(key)) computed.set(key, region(before, -1, -1, height + 2, width + 2));
  const from = computed.get(key), weights = kernelOf(layer, unit), bias = biasOf(layer, unit);
  const values = new Float32Array(height * width);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      values[y * width + x] = Math.max(0, weightedSum(windowOf(from, y, x), weights) + bias);
    }
  }
  return values;
}

// The map of the overview; `coarse` where it is smaller than the layer's own.
function smallMap(layer, unit) {
  const small = arrays[`small/${layer.name}`];
  if (!small) return exactMap(layer, unit);
  const [, height, width] = small.shape, largest = largestOf(layer, unit);
  const values = Float32Array.from(partOf(small, unit), (byte) => (byte / 255) * largest);
  return { height, width, coarse: true, values };
}

const largestOf = (layer, unit) => arrays[`largest/${layer.name}`].values[unit];

// The square of pixels that a place depends on; it may leave the photo.
function fieldOf(layer, y, x) {
  const [top, left] = [y, x].map((at) => Math.round((at + 0.5) * layer.step - layer.field / 2));
  return { top, left, edge: layer.field };
}
