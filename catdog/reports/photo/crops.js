// "From 1 cm away": what of the photo a unit sees where it is strongest.

sections.push(function crops() {
  const layer = layerNamed(state.layer);
  fill("crops-text", { layer: layer.name, field: layer.field });
  ifChanged("crops", `${layer.name} ${state.lang}`, () =>
    at("crops").replaceChildren(...layer.units.slice(0, 12).map((unit) => cropButton(layer, unit))));
});

function cropButton(layer, unit) {
  const { y, x } = strongestOf(layer, unit);
  const text = t("unit {unit}: {value}", { unit, value: number(largestOf(layer, unit)) });
  const canvas = named(cropOf(fieldOf(layer, y, x), 112), text);
  return button(null, () => go({ unit, y, x }), {}, canvas, make("span", text));
}
