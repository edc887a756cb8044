// Pixels on canvases. Nothing is ever read back from one.

let photoCanvas; // the network's input, inputSize() pixels a side
function photo() {
  if (!photoCanvas) {
    const size = inputSize();
    photoCanvas = canvasOf(size, size, (i) => [...arrays.pixels.values.subarray(3 * i, 3 * i + 3), 255]);
  }
  return photoCanvas;
}

// A map alone, black to white.
function greyMap({ width, height, values }) {
  const largest = values.reduce((a, b) => Math.max(a, b), 0) || 1;
  return canvasOf(width, height, (i) => [...Array(3).fill((255 * values[i]) / largest), 255]);
}

// A map whose values have signs, or one to lay over the photo: cold and warm, opaque where it is strong.
function signedMap({ width, height, values }) {
  const largest = values.reduce((a, b) => Math.max(a, Math.abs(b)), 0) || 1;
  const colour = (value) => [...(value < 0 ? COLD : WARM), (230 * Math.abs(value)) / largest];
  return canvasOf(width, height, (i) => colour(values[i]));
}

// The photo in grey with a map over it, on a square canvas; marks are squares {top, left, edge, style}.
function overPhoto(canvas, map, marks, opacity = 0.45) {
  const side = canvas.width, context = canvas.getContext("2d"), scale = side / inputSize();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = "#000";
  context.fillRect(0, 0, side, side);
  context.globalAlpha = opacity;
  context.filter = "grayscale(1)";
  context.drawImage(photo(), 0, 0, side, side);
  context.filter = "none";
  context.globalAlpha = 1;
  context.imageSmoothingEnabled = false;
  if (map) context.drawImage(signedMap(map), 0, 0, side, side);
  for (const { top, left, edge, style } of marks) {
    for (const [width, colour] of [[4, "#000"], [2, style]]) {
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.strokeRect(left * scale, top * scale, edge * scale, edge * scale);
    }
  }
}

// A square of the input's pixels; black where it leaves the photo.
function cropOf({ top, left, edge }, side) {
  const canvas = make("canvas", null, { width: side, height: side });
  const context = canvas.getContext("2d");
  context.fillRect(0, 0, side, side);
  context.imageSmoothingEnabled = edge > side;
  context.drawImage(photo(), left, top, edge, edge, 0, 0, side, side);
  return canvas;
}
