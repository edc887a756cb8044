// How it learned: the validation photos whose prediction changed last.

sections.push(function learned() {
  ifChanged("learned", `${state.lang} ${chartWidth()}`, () => {
    fill("learned-text", page.learning);
    at("learned").replaceChildren(...page.learning.photos.map(card));
  });
});

function card(photo) {
  const { name, label, predicted, changed, probabilities } = photo;
  const epochs = probabilities.map((_, i) => i + 1);
  const before = predicted[Math.max(0, changed - 2)], last = predicted[predicted.length - 1];
  const text = changed === 1 ? t("{label}: predicted {last} from the first epoch on", { label, last })
    : t("{label}: predicted {before}, since epoch {epoch} {last}", { label, epoch: changed, before, last });
  const image = make("img", null, { src: photo.picture ?? "", alt: name });
  return make("figure", null, { className: "card" }, image, smallChart(epochs, probabilities, name),
    make("figcaption", null, {}, make("strong", name), make("br"), text));
}

// The probability of the photo's own class, from 0 to 1, after each epoch.
function smallChart(epochs, probabilities, name) {
  const width = 200, height = 84, left = 40, across = (i) => left + (i / (epochs.length - 1)) * (width - left - 6);
  const up = (value) => 8 + (1 - value) * (height - 24);
  const title = t("Probability of the class of {name}: {first} after the first epoch, {last} at the end",
    { name, first: percent(probabilities[0], 0),
    last: percent(probabilities[probabilities.length - 1], 0) });
  const svg = svgElement("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  for (const value of [0, 0.5, 1]) {
    svg.append(svgElement("line", { x1: left, x2: width - 6, y1: up(value), y2: up(value), class: "grid" }));
    svg.append(svgElement("text", { x: left - 4, y: up(value) + 4, "text-anchor": "end" }, percent(value, 0)));
  }
  const points = probabilities.map((value, i) => [across(i), up(value)]).join(" ");
  svg.append(svgElement("polyline", { points, fill: "none", stroke: COLOURS[0], "stroke-width": 2.2 }));
  svg.append(svgElement("text", { x: width - 6, y: height - 3, "text-anchor": "end", class: "dim" },
    t("epochs 1 to {epochs}", { epochs: epochs.length })));
  return svg;
}
