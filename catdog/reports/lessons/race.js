// The optimizers' race: loss against epochs or seconds, with a rate that is too small, right or too large.

const racerNamed = (name) => page.race.racers.find((racer) => racer.name === name);
const inkOfRacer = (name) => inkOf(page.race.racers.indexOf(racerNamed(name)));
const shownRacers = () => page.race.racers.filter((racer) => state.shown.split(".").includes(racer.name));

sections.push(function race() {
  ifChanged("race", [state.lang, state.rate, state.axis, state.shown, chartWidth()].join(" "), () => {
    const { slowest, fastest } = page.race;
    fill("race-text", { ...page.race, slowest: written(slowest), fastest: written(fastest) });
    choices("rate", RATES);
    choices("axis", AXES);
    at("shown").replaceChildren(...page.race.racers.map(racerButton));
    at("race").replaceChildren(raceChart());
    at("race-table").replaceChildren(raceTable());
  });
});

function racerButton({ name }) {
  const names = state.shown ? state.shown.split(".") : [], isShown = names.includes(name);
  const changed = isShown ? names.filter((each) => each !== name) : [...names, name];
  return choice("shown", name, isShown, () => go({ shown: changed.join(".") }), inkSample(inkOfRacer(name)), name);
}

function raceChart() {
  const lines = shownRacers().filter((racer) => racer.runs[state.rate]).map((racer) => {
    const { losses } = racer.runs[state.rate], unit = state.axis === "seconds" ? 1000 * racer.seconds : 1;
    return { name: racer.name, ...inkOfRacer(racer.name), xs: losses.map((_, epoch) => epoch * unit), mean: losses };
  });
  if (!lines.length) return make("p", t("None of the chosen optimizers has such a learning rate."));
  const start = page.race.racers[0].runs.right.losses[0];
  const xs = lines.flatMap((line) => line.xs), ends = [Math.min(...xs), Math.max(...xs)];
  const lowest = { name: t("the lowest loss that there is"), colour: "currentColor", dash: "1 5", xs: ends,
    mean: ends.map(() => page.race.lowest) };
  return lineChart({ title: t("The optimizers' race"), x: { label: t(AXES[state.axis]) },
    y: { label: t("loss in nats"), log: true, most: 20 * start }, lines: [...lines, lowest],
    height: 400, width: chartWidth(1) });
}

function raceTable() {
  const last = (run) => {
    if (!run) return "";
    const loss = run.losses[run.losses.length - 1];
    return loss === null ? t("diverged") : written(loss);
  };
  const rows = page.race.racers.map(({ name, year, runs, seconds }) => [name, String(year),
    name === "lbfgs" ? "" : written(runs.right.rate), last(runs.small), last(runs.right), last(runs.large),
    (1000 * seconds).toPrecision(2), percent(page.plane.fractions[name], 0)]);
  return tableOf([t("optimizer"), t("year"), t("right learning rate"), t("loss, rate too small"),
    t("loss, right rate"), t("loss, rate too large"), t("milliseconds per epoch"), t("path inside the plane")], rows);
}
