// "From 1 cm away": what of the photo a unit sees where it is strongest.

sections.push(function crops() {
  const layer = layerNamed(state.layer);
  at("crops-text").textContent = t("crops_text", { layer: layer.name, field: layer.field });
  at("crops").replaceChildren(...layer.units.slice(0, 12).map((unit) => {
    const { y, x } = strongestOf(layer, unit), text = t("crop", { unit, value: number(largestOf(layer, unit)) });
    const canvas = named(cropOf(fieldOf(layer, y, x), 112), text);
    const figure = make("button", null, { type: "button" }, canvas, make("span", text));
    figure.addEventListener("click", () => go({ unit, y, x }));
    return figure;
  }));
});
