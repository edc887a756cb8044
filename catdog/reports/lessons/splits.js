// One split is luck: a histogram of the accuracy over many splits, and the interval of one of them.

sections.push(function splits() {
  ifChanged("splits", `${state.lang} ${chartWidth()}`, () => {
    const { validated, counts, median, interval, own, ownInterval } = page.splits;
    fill("splits-text", page.splits);
    const used = counts.map((_, right) => right).filter((right) => counts[right]);
    const from = used[0], to = used[used.length - 1];
    const rights = Array.from({ length: to - from + 1 }, (_, i) => from + i);
    const [right, all] = own, [low, high] = ownInterval.map((end) => percent(end, 1));
    at("splits").replaceChildren(histogram({ title: t("One split is luck"), x: t("accuracy"), y: t("number of splits"),
      xs: rights.map((each) => each / validated), counts: rights.map((each) => counts[each]), band: interval,
      mark: median / validated }));
    fill("interval", { low: percent(interval[0], 1), high: percent(interval[1], 1) });
    fill("own", { right, all, low, high });
  });
});
