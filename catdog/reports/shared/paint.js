// Pixels on canvases, and bars. Nothing is ever read back from a canvas.

const COLD = [58, 110, 200], WARM = [217, 119, 45]; // negative and positive, for colour-blind people too

// A canvas of width × height pixels whose pixel i has the colour [red, green, blue, opacity].
function canvasOf(width, height, colour) {
  const canvas = make("canvas", null, { width, height });
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) image.data.set(colour(i), 4 * i);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// A bar of a value between -largest and largest.
function bar(value, largest) {
  const width = 100 * Math.min(1, Math.abs(value) / (largest || 1));
  const made = make("span", null, { className: value < 0 ? "bar cold" : "bar warm" });
  made.style.width = `${width}px`;
  return made;
}

// The place of a canvas, divided into rows × columns, that was clicked.
function clicked(event, rows, columns) {
  const box = event.currentTarget.getBoundingClientRect();
  const y = Math.floor(((event.clientY - box.top) / box.height) * rows);
  return { y, x: Math.floor(((event.clientX - box.left) / box.width) * columns) };
}
