// Opens the page: inflates the arrays, checks the page's own arithmetic against Python's, draws.

openPage(() => {
  readAddress();
  document.body.dataset.surface = Math.max(...page.plane.samples.map(([a, b, loss]) =>
    Math.abs(lossAt([a, b]).loss - loss) / loss));
  listenToBall();
  addEventListener("resize", draw);
});

sections.push(function introduction() {
  for (const element of document.querySelectorAll("[data-found]")) {
    element.textContent = told(page.found[element.dataset.found]);
  }
  at("checks").textContent = t(
    "Checked in this page: the loss at {count} places of the surface differs from the loss that Python " +
    "computed by at most {surface} of it.",
    { surface: Number(document.body.dataset.surface).toExponential(1),
    count: page.plane.samples.length });
});
