// What units look for: images found by gradient ascent, and the strongest patches of the model's own photos.

sections.push(function seeks() {
  const layer = layerNamed(state.layer), images = page.images[layer.name];
  const shown = images ? layer.units.filter((unit) => images.units[unit]) : [];
  at("seeks-text").textContent = shown.length
    ? [t("seeks_text"), images.before && t("seeks_before")].filter(Boolean).join(" ")
    : t(layer.pool ? "seeks_pool" : "seeks_none", { layer: layer.name });
  ifChanged("seeks", `${layer.name} ${state.lang}`, () =>
    at("seeks").replaceChildren(...shown.map((unit) => imageButton(layer, unit, images.units[unit]))));
  for (const button of at("seeks").children) {
    button.setAttribute("aria-pressed", String(button.value === String(state.unit)));
  }
  ifChanged("patches", `${layer.name} ${state.unit} ${state.lang}`, () => drawPatches(layer, state.unit));
});

function imageButton(layer, unit, src) {
  const text = t("unit", { unit });
  const made = make("button", null, { type: "button", value: unit },
    make("img", null, { src, alt: t("seeks_image", { unit }) }), make("span", text));
  made.addEventListener("click", () => go(strongestOf(layer, unit)));
  return made;
}

// The layer whose features were searched for units of this one.
const searchedFor = (layer) => (layer.pool ? layer.name : page.layers[page.layers.indexOf(layer) + 1].name);

function drawPatches(layer, unit) {
  const found = page.patches.filter((each) => each.layer === searchedFor(layer));
  const known = found.filter((each) => each.units[unit]?.length);
  at("patches-text").textContent = patchesText(found, known, unit);
  at("patches").replaceChildren(...known.flatMap((each) => [
    ...(each.before ? [make("p", t("patches_before"))] : []),
    make("div", null, { className: "crops" }, ...each.units[unit].map(patchFigure)),
  ]));
}

function patchesText(found, known, unit) {
  if (known.length) {
    const { layer, photos } = known[0];
    return t("patches_text", { layer, photos, unit, field: layerNamed(layer).field });
  }
  if (found.length) return t("patches_units", { units: Object.keys(found[0].units).join(", ") });
  const layers = [...new Set(page.patches.map((each) => each.layer))];
  return layers.length ? t("patches_layers", { layers: layers.join(", ") }) : t("patches_none");
}

function patchFigure({ src, value, photo, y, x }) {
  const text = t("patch", { value: number(value), photo });
  const caption = make("figcaption", number(value));
  caption.append(make("small", photo));
  return make("figure", null, { title: t("tap", { unit: state.unit, y, x }) },
    make("img", null, { src, alt: text }), caption);
}

// Images that were computed for this page: of classes, and of units before and after the training.
sections.push(() => ifChanged("own", state.lang, () => {
  at("own-box").hidden = !page.own;
  if (!page.own) return;
  const { layer, classes, before, after } = page.own;
  at("own-text").textContent = t("own_text", page.own);
  const figure = (src, text) => make("figure", null, {}, make("img", null, { src, alt: text }), make("figcaption", text));
  const units = Object.keys(after).flatMap((unit) => [[before, "before_training"], [after, "after_training"]].map(
    ([images, when]) => figure(images[unit], t("own_unit", { layer, unit, when: t(when) }))));
  at("own").replaceChildren(
    ...Object.entries(classes).map(([label, src]) => figure(src, page.classes[label])), ...units);
}));
