// Dropout against overfitting: losses on the training and the validation photos, over several seeds.

sections.push(function overfitting() {
  ifChanged("overfitting", `${state.lang} ${chartWidth()}`, () => {
    const { epochs, without, dropped } = page.overfitting, found = [without, dropped];
    fill("overfitting-text", page.overfitting);
    const kinds = [["train", N_("training, dropout {dropout}"), ""],
      ["valid", N_("validation, dropout {dropout}"), "6 4"]];
    const lines = found.flatMap((fits, i) => kinds.map(([split, name, dash]) => ({
      name: t(name, { dropout: fits.dropout }), colour: COLOURS[i], dash,
      xs: fits[split][0].map((_, epoch) => epoch), ...overSeeds(fits[split]) })));
    at("overfitting").replaceChildren(lineChart({ title: t("Dropout against overfitting"), x: { label: t("epochs") },
      y: { label: t("loss in nats"), least: 0 }, lines }));
    const end = epochs, fraction = (value) => percent(value, 1);
    const rows = [
      ...lines.map(({ name, mean, low, high }, i) => {
        const lowest = found[Math.floor(i / 2)][i % 2 ? "valid" : "train"].map((row) => Math.min(...row));
        return [name, written(mean[end]), rangeOf(low[end], high[end]),
          written(lowest.reduce((a, b) => a + b) / lowest.length)];
      }),
      ...found.map((fits) => {
        const { mean, low, high } = overSeeds(fits.accuracy);
        return [t("validation accuracy, dropout {dropout}", { dropout: fits.dropout }), fraction(mean[end]),
          `${fraction(low[end])} … ${fraction(high[end])}`, ""];
      })];
    at("overfitting-table").replaceChildren(tableOf(
      ["", t("at the end"), t("range over seeds"), t("lowest on the way, mean")], rows));
  });
});
