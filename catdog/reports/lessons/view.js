// What is shown is an address: `#rate=large&shown=sgd.adam&rule=adam&across=20&up=80&steps=50`.

const state = { lang: "en", rate: "right", axis: "epochs", // the race
  shown: "gd.sgd.momentum.adagrad.rmsprop.adam.lbfgs",
  rule: "momentum", size: 2, across: 15, up: 85, steps: 0 }; // the ball: its step size, where it was dropped

const SIZES = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100]; // learning rates of the ball
const RATES = { small: N_("too small"), right: N_("right"), large: N_("too large") };
const AXES = { epochs: N_("epochs"), seconds: N_("milliseconds") };
const GRID = 100; // places of the ball, each way
const MOST_STEPS = 300;

function readAddress() {
  take(new URLSearchParams(location.hash.slice(1)), ["size", "across", "up", "steps"], ["rate", "axis", "shown", "rule"]);
}

function keepInside() {
  state.size = within(state.size, SIZES.length - 1);
  state.across = within(state.across, GRID);
  state.up = within(state.up, GRID);
  state.steps = within(state.steps, MOST_STEPS);
  if (!Object.hasOwn(RULES, state.rule)) state.rule = "momentum";
  if (!Object.hasOwn(RATES, state.rate)) state.rate = "right";
  if (!Object.hasOwn(AXES, state.axis)) state.axis = "epochs";
  const names = page.race.racers.map((racer) => racer.name);
  state.shown = names.filter((name) => state.shown.split(".").includes(name)).join(".");
}

// A colour and a dash for each member of a family: seen apart on white, on black, and by colour-blind people.
const COLOURS = ["#3f7fd6", "#d9772b", "#2a9d8f", "#b5489f", "#c79a1b", "#c0463b", "#7a8796"];
const DASHES = ["", "7 4", "2 3"];
const inkOf = (index) => ({ colour: COLOURS[index % COLOURS.length],
  dash: DASHES[Math.floor(index / COLOURS.length) % DASHES.length] });

// One button of a group, pressed or not; it keeps the focus when the group is drawn again.
function choice(id, value, isPressed, act, ...content) {
  return button(null, () => {
    act();
    at(id).querySelector(`[data-value="${value}"]`).focus();
  }, { "aria-pressed": String(isPressed), "data-value": value }, ...content);
}

// A group of buttons of which one is pressed, by their values: what people read for each.
function choices(id, names) {
  at(id).replaceChildren(...Object.entries(names).map(([value, name]) =>
    choice(id, value, state[id] === value, () => go({ [id]: value }), t(name))));
}
