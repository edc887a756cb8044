// One split is luck: a histogram of the accuracy over many splits, and the interval of one of them.

sections.push(function splits() {
  ifChanged("splits", `${state.lang} ${chartWidth()}`, () => {
    const { splits: count, photos, validated, counts, median, interval, own, ownInterval } = page.splits;
    at("splits-text").textContent = t("splits_text", { splits: count, photos, validated });
    const used = counts.map((_, right) => right).filter((right) => counts[right]);
    const from = used[0], to = used[used.length - 1];
    const rights = Array.from({ length: to - from + 1 }, (_, i) => from + i);
    const [right, all] = own, [low, high] = ownInterval.map((end) => percent(end, 1));
    at("splits").replaceChildren(histogram({ title: t("splits_title"), x: t("accuracy"), y: t("number_of_splits"),
      xs: rights.map((each) => each / validated), counts: rights.map((each) => counts[each]), band: interval,
      mark: median / validated }));
    at("interval").textContent = t("interval", { low: percent(interval[0], 1), high: percent(interval[1], 1) });
    at("own").textContent = t("own_split", { right, all, low, high });
  });
});
