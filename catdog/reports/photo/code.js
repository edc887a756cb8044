// The lecture's code, each line with what it means for this photo.

sections.push(() => ifChanged("code", state.lang, () => {
  const optional = (value, shown) => (value === null ? "" : shown(value));
  const rows = page.code.map(({ line, shape, parameters, work, milliseconds, note }) => [
    make("code", line), shape.join("×"), optional(parameters, grouped),
    optional(work, (each) => (each / 1e6).toFixed(1)), optional(milliseconds, (each) => each.toFixed(1)),
    note ? told(note) : "",
  ]);
  at("code").replaceChildren(tableOf(
    [t("line"), t("output"), t("parameters"), t("multiply-adds (M)"), t("ms"), ""], rows));
}));

sections.push(() => ifChanged("moved", state.lang, () => {
  const largest = Math.max(...page.layers.map(({ moved }) => moved));
  const rows = page.layers.map(({ name, moved }) => [name, percent(moved), bar(moved, largest)]);
  at("moved").replaceChildren(tableOf([t("layer"), t("change"), ""], rows));
}));
