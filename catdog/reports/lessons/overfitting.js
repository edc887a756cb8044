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
    const last = (rows) => {
      const { mean, low, high } = overSeeds(rows), end = mean.length - 1;
      return `${number(mean[end], 3)} (${rangeOf(low[end], high[end])})`;
    };
    const best = (rows) => number(rows.reduce((sum, row) => sum + Math.min(...row), 0) / rows.length, 3);
    const accuracy = (rows) => percent(rows.reduce((sum, row) => sum + row[row.length - 1], 0) / rows.length, 1);
    const rows = found.map((fits) => [t("dropout", { dropout: fits.dropout }), last(fits.train), last(fits.valid),
      best(fits.valid), accuracy(fits.accuracy)]);
    at("overfitting-table").replaceChildren(tableOf(["", t("last_train"), t("last_valid"), t("best_valid"),
      t("last_accuracy")], rows));
  });
});
