// The loss on the plane of the paths, computed here from the logits of the photos, and its picture.

// {loss, gradient} at a place [a, b] of the plane.
function lossAt([a, b]) {
  const { labels, penalty } = page.plane, first = arrays.first.values, second = arrays.second.values;
  const classes = arrays.first.shape[1], count = labels.length, logits = new Float64Array(classes);
  let loss = 0, alongA = 0, alongB = 0;
  for (let photo = 0; photo < count; photo++) {
    const start = photo * classes, label = labels[photo];
    let largest = -Infinity, sum = 0, meanA = 0, meanB = 0;
    for (let i = 0; i < classes; i++) {
      logits[i] = a * first[start + i] + b * second[start + i];
      if (logits[i] > largest) largest = logits[i];
    }
    for (let i = 0; i < classes; i++) {
      const power = Math.exp(logits[i] - largest);
      sum += power;
      meanA += power * first[start + i];
      meanB += power * second[start + i];
    }
    loss += Math.log(sum) + largest - logits[label];
    alongA += meanA / sum - first[start + label];
    alongB += meanB / sum - second[start + label];
  }
  const [ofA, ofBoth, ofB] = penalty;
  return { loss: loss / count + (ofA * a * a) / 2 + ofBoth * a * b + (ofB * b * b) / 2,
    gradient: [alongA / count + ofA * a + ofBoth * b, alongB / count + ofB * b + ofBoth * a] };
}

// The place at these fractions of the way across and up.
function placeAt(across, up) {
  const { lows, highs } = page.plane;
  return [lows[0] + across * (highs[0] - lows[0]), lows[1] + up * (highs[1] - lows[1])];
}

// Where a place is on a canvas of `side` pixels, [x, y].
function onCanvas([a, b], side) {
  const { lows, highs } = page.plane;
  return [((a - lows[0]) / (highs[0] - lows[0])) * side, (1 - (b - lows[1]) / (highs[1] - lows[1])) * side];
}

const WORK = 3e7, BANDS = 14; // products for the picture, and lines of equal loss
let heights; // {side, loss: Float64Array, lowest, highest}

function measureHeights() {
  const [count, classes] = arrays.first.shape;
  const side = Math.round(Math.min(140, Math.max(40, Math.sqrt(WORK / (count * classes)))));
  const loss = new Float64Array(side * side);
  for (let i = 0; i < loss.length; i++) {
    const row = Math.floor(i / side);
    loss[i] = lossAt(placeAt(((i % side) + 0.5) / side, 1 - (row + 0.5) / side)).loss;
  }
  const lowest = loss.reduce((a, b) => Math.min(a, b)), highest = loss.reduce((a, b) => Math.max(a, b));
  return { side, loss, lowest, highest };
}

// From blue in the valley to sand on the heights; a darker line where a band ends.
function picture() {
  heights ??= measureHeights();
  const { side, loss, lowest, highest } = heights;
  const height = (i) => Math.log(loss[i] / lowest) / Math.log(highest / lowest);
  const band = (i) => Math.floor(BANDS * height(i));
  return canvasOf(side, side, (i) => {
    const edge = (i % side && band(i) !== band(i - 1)) || (i >= side && band(i) !== band(i - side));
    const part = height(i), shade = edge ? 0.8 : 1;
    return [...[[24, 245], [62, 226], [110, 180]].map(([low, high]) => shade * (low + part * (high - low))), 255];
  });
}

let surface; // the picture, once it is drawn

function drawSurface(canvas, trail, drop) {
  surface ??= picture();
  const side = canvas.width, context = canvas.getContext("2d");
  context.imageSmoothingEnabled = true;
  context.drawImage(surface, 0, 0, side, side);
  for (const racer of shownRacers()) {
    const { colour, dash } = inkOfRacer(racer.name), points = page.plane.paths[racer.name];
    line(context, points.map((place) => onCanvas(place, side)), colour, 3, dash);
    label(context, onCanvas(points[points.length - 1], side), racer.name);
  }
  dot(context, onCanvas([0, 0], side), 6, "#fff");
  if (trail.length > 1) line(context, trail.map((place) => onCanvas(place, side)), "#fff", 2);
  const [x, y] = onCanvas(drop, side);
  line(context, [[x - 9, y], [x + 9, y]], "#fff", 2);
  line(context, [[x, y - 9], [x, y + 9]], "#fff", 2);
  dot(context, onCanvas(trail[trail.length - 1], side), 8, "#ffd23f");
}

function line(context, points, colour, width, dash = "") {
  for (const [wide, ink] of [[width + 2, "rgba(0,0,0,.55)"], [width, colour]]) {
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.setLineDash(ink === colour && dash ? dash.split(" ").map(Number) : []);
    context.lineWidth = wide;
    context.strokeStyle = ink;
    context.stroke();
  }
}

function label(context, [x, y], text) {
  context.font = "600 13px sans-serif";
  context.setLineDash([]);
  context.lineWidth = 3;
  context.strokeStyle = "rgba(0,0,0,.6)";
  context.strokeText(text, x + 6, y + 4);
  context.fillStyle = "#fff";
  context.fillText(text, x + 6, y + 4);
}

function dot(context, [x, y], radius, colour) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = "#000";
  context.stroke();
}
