// A ball that is dropped on the surface and rolls by a rule. Its way follows from the address.

// The places of a ball after 0, 1, 2, … steps; it ends where its loss is no number.
function rolled(rule, rate, from, steps) {
  const step = RULES[rule](rate), trail = [from];
  while (trail.length <= steps) {
    const place = trail[trail.length - 1];
    const made = step(lossAt(place).gradient, place), next = place.map((value, i) => value + made[i]);
    if (!next.every(Number.isFinite) || !Number.isFinite(lossAt(next).loss)) break;
    trail.push(next);
  }
  return trail;
}

const dropped = () => placeAt(state.across / GRID, state.up / GRID);
const trailOf = (steps) => rolled(state.rule, SIZES[state.size], dropped(), steps);

sections.push(function ball() {
  ifChanged("ball", [state.lang, state.rule, state.size].join(" "), () => {
    at("rule").replaceChildren(...Object.keys(RULES).map((name) =>
      make("option", name, { value: name, selected: name === state.rule })));
    at("size").value = state.size;
    at("size-value").textContent = written(SIZES[state.size]);
    at("size").setAttribute("aria-valuetext", written(SIZES[state.size]));
  });
  drawBall(state.steps);
});

function drawBall(steps) {
  const trail = trailOf(steps), place = trail[trail.length - 1], { loss, gradient } = lossAt(place);
  drawSurface(at("surface"), trail, dropped());
  const names = shownRacers().map((racer) => racer.name).join(", ");
  const text = fill("ball-text", { rule: state.rule, steps: trail.length - 1, a: number(place[0], 3),
    b: number(place[1], 3), loss: number(loss, 4), gradient: number(Math.hypot(...gradient), 2),
    lowest: number(heights.lowest, 4) });
  at("surface").setAttribute("aria-label", `${t("The loss surface with the paths of {names}.", { names })} ${text}`);
}

function listenToBall() {
  const canvas = at("surface"), move = 5;
  canvas.addEventListener("click", (event) => {
    const { y, x } = clicked(event, GRID + 1, GRID + 1);
    go({ across: x, up: GRID - y, steps: 0 });
    roll();
  });
  onArrows(canvas, (down, right) =>
    go({ across: state.across + move * right, up: state.up - move * down, steps: 0 }));
  onKeys(canvas, { Enter: roll, " ": () => go({ steps: state.steps + 1 }) });
  at("rule").addEventListener("change", (event) => go({ rule: event.target.value, steps: 0 }));
  at("size").addEventListener("input", (event) => go({ size: Number(event.target.value), steps: 0 }));
  at("step").addEventListener("click", () => go({ steps: state.steps + 1 }));
  at("roll").addEventListener("click", roll);
  at("again").addEventListener("click", () => go({ steps: 0 }));
}

let rolling = 0; // counts the rolls: a new one, or any other change, ends the last

// A step with each picture, then the address; all at once where less motion is asked for.
function roll() {
  const mine = ++rolling, shown = JSON.stringify(state), still = matchMedia("(prefers-reduced-motion: reduce)");
  const last = Math.min(MOST_STEPS, state.steps + 100);
  if (still.matches) return go({ steps: last });
  let steps = state.steps;
  const next = () => {
    if (mine !== rolling || JSON.stringify(state) !== shown) return;
    steps += 1;
    if (steps > last) return go({ steps: last });
    drawBall(steps);
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}
