// Dropout against overfitting: losses on the training and the validation photos, over several seeds.

sections.push(function overfitting() {
  ifChanged("overfitting", `${state.lang} ${chartWidth()}`, () => {
    const { photos, flipped, validated, units, epochs, batch, rate, seeds, found } = page.overfitting;
    at("overfitting-text").textContent = t("overfitting_text",
      { photos, flipped, validated, units, epochs, batch, rate, seeds });
    const lines = found.flatMap((fits, i) => [["train", ""], ["valid", "6 4"]].map(([split, dash]) => ({
      name: t(`loss_${split}`, { dropout: fits.dropout }), colour: COLOURS[i], dash,
      xs: fits[split][0].map((_, epoch) => epoch), ...overSeeds(fits[split]) })));
    at("overfitting").replaceChildren(lineChart({ title: t("overfitting_title"), x: { label: t("axis_epochs") },
      y: { label: t("loss"), least: 0 }, lines }));
    const end = epochs, fraction = (value) => percent(value, 1);
    const rows = [
      ...lines.map(({ name, mean, low, high }, i) => {
        const lowest = found[Math.floor(i / 2)][i % 2 ? "valid" : "train"].map((row) => Math.min(...row));
        return [name, written(mean[end]), rangeOf(low[end], high[end]),
          written(lowest.reduce((a, b) => a + b) / lowest.length)];
      }),
      ...found.map((fits) => {
        const { mean, low, high } = overSeeds(fits.accuracy);
        return [t("accuracy_with", { dropout: fits.dropout }), fraction(mean[end]),
          `${fraction(low[end])} … ${fraction(high[end])}`, ""];
      })];
    at("overfitting-table").replaceChildren(tableOf(["", t("at_the_end"), t("over_seeds"), t("lowest_in_training")],
      rows));
  });
});
