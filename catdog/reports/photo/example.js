// The lecture's kernel on 5 × 5 numbers: no change gives 0, an edge and a point give large sums.

const EXAMPLE = [
  [20, 20, 20, 80, 80],
  [20, 20, 20, 80, 80],
  [20, 20, 20, 80, 80],
  [20, 60, 20, 80, 80],
  [20, 20, 20, 80, 80],
];
const exampleCells = EXAMPLE.flatMap((row, y) => row.map((_, x) => [y, x]));

// The nine numbers around a cell; 0 outside.
const exampleWindow = (row, column) =>
  [-1, 0, 1].flatMap((down) => [-1, 0, 1].map((right) => EXAMPLE[row + down]?.[column + right] ?? 0));

sections.push(function example() {
  const row = Math.floor(state.cell / 5), column = state.cell % 5, values = exampleWindow(row, column);
  const grid = (id, content, marked) => at(id).replaceChildren(...exampleCells.map(([y, x], i) => {
    const made = make("span", content(y, x), { className: marked(y, x) ? "marked" : "" });
    made.addEventListener("click", () => go({ cell: i }));
    return made;
  }));
  grid("example", (y, x) => EXAMPLE[y][x], (y, x) => Math.abs(y - row) < 2 && Math.abs(x - column) < 2);
  grid("example-result", (y, x) => nineSum(exampleWindow(y, x)), (y, x) => y === row && x === column);
  const sum = nineSum(values), around = values.filter((_, i) => i !== 4).join(" + ");
  const text = fill("example-text", { row, column, middle: values[4], around, sum, positive: Math.max(0, sum) });
  at("example").setAttribute("aria-label", text);
});

function listenToExample() {
  onArrows(at("example"), (down, right) => {
    const row = Math.floor(state.cell / 5) + down, column = (state.cell % 5) + right;
    if (row in EXAMPLE && column in EXAMPLE) go({ cell: 5 * row + column });
  });
}
