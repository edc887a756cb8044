// Opens the page: inflates the arrays, checks the page's own arithmetic against Python's, draws.

openPage(() => {
  readAddress();
  document.body.dataset.surface = Math.max(...page.plane.samples.map(([a, b, loss]) =>
    Math.abs(lossAt([a, b]).loss - loss) / loss));
  listenToBall();
  addEventListener("resize", draw);
});

sections.push(function introduction() {
  const { train, valid, classes, size, featureSeconds, seconds } = page;
  at("material").textContent = t("material", { train, valid, classes: classes.join(", "), size, featureSeconds, seconds });
  for (const element of document.querySelectorAll("[data-found]")) {
    element.textContent = t(`found_${element.dataset.found}`);
  }
  at("checks").textContent = t("checks_surface", { surface: Number(document.body.dataset.surface).toExponential(1),
    count: page.plane.samples.length });
});
