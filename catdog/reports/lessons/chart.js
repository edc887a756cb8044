// Lines over steps or layers, and bars, as SVG: sharp on paper, and with a name for screen readers.

const SVG = "http://www.w3.org/2000/svg";

function svgElement(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// As wide as there is room, so that letters stay readable on a phone; two charts beside each other, or one.
function chartWidth(columns = 2) {
  const room = document.querySelector("main").clientWidth - 32;
  return Math.max(280, room < 800 ? room : Math.min(900, (room - 20) / columns));
}

// Mean, lowest and highest over the rows, for each column; null where a row has no number.
function overSeeds(rows) {
  const columns = rows[0].map((_, i) => rows.map((row) => row[i]));
  const known = (column) => column.every((value) => value !== null);
  return { mean: columns.map((column) => known(column) ? column.reduce((a, b) => a + b) / column.length : null),
    low: columns.map((column) => known(column) ? Math.min(...column) : null),
    high: columns.map((column) => known(column) ? Math.max(...column) : null) };
}

// Geometric mean, for what differs by powers of ten.
function overSeedsInPowers(rows) {
  const { low, high } = overSeeds(rows);
  const { mean } = overSeeds(rows.map((row) => row.map((value) => (value > 0 ? Math.log(value) : null))));
  return { mean: mean.map((value) => value === null ? null : Math.exp(value)), low, high };
}

// Values to write at an axis: powers of ten, or multiples of 1, 2 or 5.
function ticksOf(low, high, log) {
  if (log) {
    const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
    const step = Math.max(1, Math.ceil((last - first) / 6));
    const powers = [];
    for (let power = first; power <= last; power += step) powers.push(10 ** power);
    return powers.length > 1 ? powers : [low, high];
  }
  const rough = (high - low) / 5, unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((each) => each >= rough);
  const made = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i++) made.push(i * step);
  return made;
}

// A number in few letters, such as 0.05, 12 or 3.1e-7.
function written(value, digits = 3) {
  const size = Math.abs(value);
  if (size > 0 && (size < 0.001 || size >= 100000)) {
    return String(Number(value.toPrecision(digits)).toExponential()).replace("e+", "e");
  }
  return String(Number(value.toPrecision(digits)));
}

// A picture with the names of its axes and a line for each tick of the upright one.
function axesOf({ title, x, y, width, height, left, right, bottom, up, ticks }) {
  const name = { "text-anchor": "middle", class: "dim" }, middle = (height - bottom) / 2;
  return svgElement("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": title },
    ...ticks.flatMap((tick) => [
      svgElement("line", { x1: left, x2: width - right, y1: up(tick), y2: up(tick), class: "grid" }),
      svgElement("text", { x: left - 6, y: up(tick) + 4, "text-anchor": "end" }, written(tick))]),
    svgElement("text", { x: (left + width) / 2, y: height - 8, ...name }, x),
    svgElement("text", { x: 12, y: middle, transform: `rotate(-90 12 ${middle})`, ...name }, y));
}

// lines: [{name, colour, dash, xs, mean, low, high}]; x: {label, ticks: [[value, text], …]}; y: {label, log}.
function lineChart({ title, x, y, lines, height = 300, width = chartWidth() }) {
  const left = 56, right = 10, top = 10, bottom = 46;
  const usable = (value) => value !== null && value !== undefined && (!y.log || value > 0);
  const all = lines.flatMap((line) => [...line.mean, ...(line.low ?? []), ...(line.high ?? [])]).filter(usable);
  const scale = y.log ? Math.log10 : (value) => value;
  let [least, most] = [Math.min(...all, y.most ?? Infinity), Math.max(...all)];
  if (y.most !== undefined) most = Math.min(most, y.most);
  if (!y.log) least = Math.min(least, y.least ?? least);
  if (least === most) [least, most] = y.log ? [least / 2, most * 2] : [least - 1, most + 1];
  const xs = lines.flatMap((line) => line.xs);
  const [start, end] = [Math.min(...xs), Math.max(...xs)];
  const across = (value) => left + ((value - start) / (end - start || 1)) * (width - left - right);
  const part = (value) => (scale(Math.min(value, most)) - scale(least)) / (scale(most) - scale(least));
  const up = (value) => height - bottom - part(value) * (height - top - bottom);
  const svg = axesOf({ title, x: x.label, y: y.label, width, height, left, right, bottom, up,
    ticks: ticksOf(least, most, y.log) });
  for (const [tick, text] of x.ticks ?? ticksOf(start, end, false).map((each) => [each, written(each)])) {
    svg.append(svgElement("text", { x: across(tick), y: height - bottom + 16, "text-anchor": "middle" }, text));
  }
  for (const line of lines) {
    const points = (values) => values.map((value, i) => usable(value) && [across(line.xs[i]), up(value)]);
    if (line.low) {
      const around = [...points(line.high), ...points(line.low).reverse()].filter(Boolean);
      svg.append(svgElement("polygon", { points: around.join(" "), fill: line.colour, opacity: 0.16 }));
    }
    for (const run of unbroken(points(line.mean))) {
      svg.append(svgElement("polyline", { points: run.join(" "), fill: "none", stroke: line.colour, "stroke-width": 2.2,
        "stroke-dasharray": line.dash ?? "" }, svgElement("title", {}, line.name)));
    }
  }
  return make("figure", null, { className: "chart" }, svg, legendOf(lines));
}

// The parts of a line between the places that have no value.
function unbroken(points) {
  const runs = [[]];
  for (const point of points) {
    if (point) runs[runs.length - 1].push(point);
    else runs.push([]);
  }
  return runs.filter((run) => run.length);
}

function legendOf(lines) {
  return make("figcaption", null, { className: "legend" },
    ...lines.map((line) => make("span", null, {}, inkSample(line), line.name)));
}

function inkSample({ colour, dash }) {
  return svgElement("svg", { width: 28, height: 10, "aria-hidden": "true" },
    svgElement("line", { x1: 1, x2: 27, y1: 5, y2: 5, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash ?? "" }));
}

// Bars from 0; `band` is a range of x, `mark` a place, both below the bars.
function histogram({ title, x, y, xs, counts, band, mark, height = 260 }) {
  const width = chartWidth(), left = 56, right = 14, top = 10, bottom = 66;
  const step = xs.length > 1 ? xs[1] - xs[0] : 1;
  const start = Math.min(xs[0] - step, band[0]), end = Math.max(xs[xs.length - 1] + step, band[1]);
  const across = (value) => left + ((value - start) / (end - start)) * (width - left - right);
  const most = Math.max(...counts), up = (value) => height - bottom - (value / most) * (height - top - bottom);
  const svg = axesOf({ title, x, y, width, height, left, right, bottom, up, ticks: ticksOf(0, most, false) });
  const wide = Math.max(2, across(start + step) - across(start) - 2);
  xs.forEach((value, i) => svg.append(svgElement("rect", { x: across(value) - wide / 2, y: up(counts[i]), width: wide,
    height: height - bottom - up(counts[i]), fill: COLOURS[0] },
    svgElement("title", {}, `${percent(value, 1)}: ${counts[i]}`))));
  const y0 = height - bottom + 8;
  svg.append(svgElement("line", { x1: across(band[0]), x2: across(band[1]), y1: y0, y2: y0, stroke: COLOURS[1],
    "stroke-width": 5 }));
  svg.append(svgElement("circle", { cx: across(mark), cy: y0, r: 6, fill: COLOURS[1] }));
  for (const tick of ticksOf(start, Math.min(end, 1), false)) {
    svg.append(svgElement("text", { x: across(tick), y: y0 + 22, "text-anchor": "middle" }, percent(tick, 0)));
  }
  return make("figure", null, { className: "chart" }, svg);
}
