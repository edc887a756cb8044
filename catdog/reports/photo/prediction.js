// The classes of the photo, and the photo on its way to the network's input.

sections.push(function prediction() {
  ifChanged("prediction", state.lang, drawPrediction);
  fill("pixel", pixelFacts());
});

const RESIZED = {
  squash: N_("Squashed to {size}×{size} pixels. Click on a pixel."),
  crop: N_("The central square, {size}×{size} pixels. Click on a pixel."),
  pad: N_("Padded with black to {size}×{size} pixels. Click on a pixel."),
};

function drawPrediction() {
  at("models").replaceChildren(...page.predictions.map(({ model, classes, value }) => {
    if (value !== null) return make("p", `${model}: ${value}`);
    const rows = classes.map(({ label, probability }) => [label, bar(probability, 1), percent(probability)]);
    const table = tableOf([t("class"), "", t("probability")], rows);
    table.prepend(make("caption", model));
    return table;
  }));
  const calibration = page.calibrated
    ? t(
      "The probabilities are calibrated: the logits were divided by a temperature that was fitted to " +
      "validation photos.")
    : t("The probabilities are not calibrated.");
  const averaged = t(
    "They are the mean over {views} views of the photo; the rest of the page is about the photo as it is.",
    { views: page.views });
  at("calibration").textContent =
    [page.classes.length > 1 && calibration, page.views > 1 && averaged].filter(Boolean).join(" ");
  const steps = [
    [make("img", null, { src: page.picture, alt: page.photo }),
      t("The photo, upright, {size} pixels in the file", { size: page.fileSize })],
    [clonedPhoto(), t(RESIZED[page.resize], { size: inputSize() })],
    ...page.preprocessing.channels.map((channel, i) => [
      signedMap(channelMap(channel, i)),
      t("Input channel {number}: {colour} minus its mean. Blue is negative, orange positive.",
        { number: i + 1, colour: colourOf(i) }),
    ]),
  ];
  at("steps").replaceChildren(...steps.map(([picture, text]) =>
    make("figure", null, {}, named(picture, text), make("figcaption", text))));
}

// A value, yes or no, and a category: three last layers that Python fitted to the model's own photos.
sections.push(() => ifChanged("three", state.lang, () => {
  at("three-text").textContent = page.three ? t(
    "Three last layers on the same features, the mean of each channel of block5_pool: fitted to {fitted} " +
    "photos of this model for this page, and measured on {held_out} others. Of the value, the error is " +
    "shown, which is the mean distance; of the others the accuracy.", page.three)
    : t("The three outputs beside each other need a model of classes whose photos and features are here.");
  if (!page.three) return;
  const { label, brightness, outputs } = page.three, name = page.classes[label];
  const rows = outputs.map(({ output, found, held_out, guessing }) => {
    const shown = (value) => (output === "value" ? number(value, 3) : percent(value, 1));
    const here = t(OUTPUTS[output].found, { label: name, found: shown(found), brightness: number(brightness, 3) });
    return [make("code", OUTPUTS[output].layer), here, shown(held_out), shown(guessing)];
  });
  at("three").replaceChildren(
    tableOf([t("last layer"), t("this photo"), t("on held-out photos"), t("guessing")], rows));
}));

const OUTPUTS = {
  value: { layer: "Dense(1), loss='mse'", found: N_("brightness {found} (measured: {brightness} of 255)") },
  binary: { layer: "Dense(1, activation='sigmoid')", found: N_("{label}, yes or no: {found} yes") },
  category: { layer: "Dense(n, activation='softmax')", found: N_("the class {label}: {found}") },
};

// The colour of a channel of the input, by name.
const colourOf = (i) => t([N_("red"), N_("green"), N_("blue")][page.preprocessing.channels[i]]);

function clonedPhoto() {
  const size = inputSize(), canvas = make("canvas", null, { width: size, height: size, className: "choose" });
  canvas.getContext("2d").drawImage(photo(), 0, 0);
  canvas.addEventListener("click", (event) => {
    const place = clicked(event, size, size);
    go({ row: place.y, column: place.x });
  });
  return canvas;
}

// One channel of the network's input.
function channelMap(channel, i) {
  const size = inputSize(), values = new Float32Array(size * size);
  for (let p = 0; p < values.length; p++) values[p] = preprocessed(arrays.pixels.values[3 * p + channel], i);
  return { width: size, height: size, values };
}

// One pixel, step by step.
function pixelFacts() {
  const { row, column } = state, { channels } = page.preprocessing;
  const rgb = [...arrays.pixels.values.subarray(3 * (row * inputSize() + column)).subarray(0, 3)];
  const input = channels.map((channel, i) => number(preprocessed(rgb[channel], i)));
  const letters = channels.map((channel) => "RGB"[channel]).join("");
  const ordered = channels.map((channel) => rgb[channel]);
  return { row, column, rgb, order: letters, ordered, mean: page.preprocessing.mean, input };
}

function named(picture, text) {
  if (picture.tagName === "CANVAS") {
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", text);
  }
  return picture;
}
