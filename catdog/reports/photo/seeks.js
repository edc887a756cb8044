// What units look for: images found by gradient ascent, and the strongest patches of the model's own photos.

sections.push(function seeks() {
  const layer = layerNamed(state.layer), images = page.images[layer.name];
  const shown = images ? layer.units.filter((unit) => images.units[unit]) : [];
  const none = layer.pool ? t(
    "A pool looks for nothing of its own: its units have the images of the convolution before it.")
    : t("The page has no such images for units of {layer} with these weights.", { layer: layer.name });
  const before = t("They are of the pretrained weights: this layer was trained afterwards.");
  const seen = t(
    "Each image began as noise and was changed step by step by gradient ascent, so that the unit's mean " +
    "value before ReLU became large. It shows what the unit answers to in any photo, not what it found in " +
    "this one.");
  at("seeks-text").textContent =
    shown.length ? [seen, images.before && before].filter(Boolean).join(" ") : none;
  ifChanged("seeks", `${layer.name} ${state.lang}`, () =>
    at("seeks").replaceChildren(...shown.map((unit) => imageButton(layer, unit, images.units[unit]))));
  for (const button of at("seeks").children) {
    button.setAttribute("aria-pressed", String(button.value === String(state.unit)));
  }
  ifChanged("patches", `${layer.name} ${state.unit} ${state.lang}`, () => drawPatches(layer, state.unit));
});

function imageButton(layer, unit, src) {
  const text = t("unit {unit}", { unit });
  return button(null, () => go(strongestOf(layer, unit)), { value: unit },
    make("img", null, { src, alt: t("what unit {unit} looks for", { unit }) }), make("span", text));
}

// The layer whose features were searched for units of this one.
const searchedFor = (layer) => (layer.pool ? layer.name : page.layers[page.layers.indexOf(layer) + 1].name);

function drawPatches(layer, unit) {
  const found = page.patches.filter((each) => each.layer === searchedFor(layer));
  const known = found.filter((each) => each.units[unit]?.length);
  at("patches-text").textContent = patchesText(found, known, unit);
  const trained = t("The same unit with the pretrained weights, before this layer was trained:");
  at("patches").replaceChildren(...known.flatMap((each) => [
    ...(each.before ? [make("p", trained)] : []),
    make("div", null, { className: "crops" }, ...each.units[unit].map(patchFigure)),
  ]));
}

function patchesText(found, known, unit) {
  if (known.length) {
    const { layer, photos } = known[0];
    return t(
      "{photos} photos of this model were searched for the largest values of unit {unit} in {layer}. This " +
      "is what the unit sees of the first six, {field}×{field} pixels.",
      { layer, photos, unit, field: layerNamed(layer).field });
  }
  if (found.length) {
    const units = Object.keys(found[0].units);
    return t("The photos were searched for the units {units} of this layer.", { units });
  }
  const layers = [...new Set(page.patches.map((each) => each.layer))];
  return layers.length ? t(
    "The photos were searched for units of {layers} and of the convolution before: other features are not " +
    "cached.", { layers })
    : t("No photos were searched: this model has no folder of photos here, or their maps are not cached.");
}

function patchFigure({ pixels: src, value, photo, y, x }) {
  const alt = t("{photo}, value {value}", { value: number(value), photo });
  return make("figure", null, { title: t("unit {unit}, y {y}, x {x}", { unit: state.unit, y, x }) },
    make("img", null, { src, alt }), make("figcaption", number(value), {}, make("small", photo)));
}

// Images that were computed for this page: of classes, and of units before and after the training.
sections.push(() => ifChanged("own", state.lang, () => {
  at("own-box").hidden = !page.own;
  if (!page.own) return;
  const { layer, classes, before, after } = page.own;
  fill("own-text", page.own);
  const figure = (src, text) => make("figure", null, {}, make("img", null, { src, alt: text }), make("figcaption", text));
  const units = Object.keys(after).flatMap((unit) => [[before, t("before the training")], [after, t("after it")]].map(
    ([images, when]) => figure(images[unit], t("{layer}, unit {unit}: {when}", { layer, unit, when }))));
  at("own").replaceChildren(
    ...Object.entries(classes).map(([label, src]) => figure(src, page.classes[label])), ...units);
}));
