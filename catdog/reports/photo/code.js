// The lecture's code, each line with what it means for this photo.

sections.push(function code() {
  const rows = page.code.map(({ line, shape, parameters, work, milliseconds, note }) => [
    make("code", line), shape.join("×"), parameters === null ? "" : grouped(parameters),
    work === null ? "" : (work / 1e6).toFixed(1), milliseconds === null ? "" : milliseconds.toFixed(1), note ? t(note) : "",
  ]);
  at("code").replaceChildren(tableOf(
    [t("line"), t("output"), t("parameters"), t("work"), t("milliseconds"), ""], rows));
  const moved = page.layers.map((layer) => [layer.name, percent(layer.moved), bar(layer.moved, Math.max(...page.layers.map((each) => each.moved)))]);
  at("moved").replaceChildren(tableOf([t("layer"), t("change"), ""], moved));
});
