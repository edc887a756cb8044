// The classes of the photo, and the photo on its way to the network's input.

sections.push(function prediction() {
  ifChanged("prediction", state.lang, drawPrediction);
  at("pixel").textContent = pixelSentence();
});

function drawPrediction() {
  at("models").replaceChildren(...page.predictions.map(({ model, classes, value }) => {
    if (value !== null) return make("p", `${model}: ${value}`);
    const rows = classes.map(({ label, probability }) => [label, bar(probability, 1), percent(probability)]);
    const table = tableOf([t("class"), "", t("probability")], rows);
    table.prepend(make("caption", model));
    return table;
  }));
  const sentences = [...(page.classes.length > 1 ? [t(page.calibrated ? "calibrated" : "uncalibrated")] : []),
    ...(page.views > 1 ? [t("averaged", { views: page.views })] : [])];
  at("calibration").textContent = sentences.join(" ");
  const steps = [
    [make("img", null, { src: page.picture, alt: page.photo }), t("step_file", { size: page.fileSize })],
    [clonedPhoto(), t(`step_${page.resize}`, { size: inputSize() })],
    ...page.preprocessing.channels.map((channel, i) => [
      signedMap(channelMap(channel, i)),
      t("step_channel", { number: i + 1, colour: colourOf(i) }),
    ]),
  ];
  at("steps").replaceChildren(...steps.map(([picture, text]) =>
    make("figure", null, {}, named(picture, text), make("figcaption", text))));
}

// A value, yes or no, and a category: three last layers that Python fitted to the model's own photos.
sections.push(() => ifChanged("three", state.lang, () => {
  at("three-text").textContent = page.three ? t("three_text", page.three) : t("three_none");
  if (!page.three) return;
  const { label, brightness, outputs } = page.three, name = page.classes[label];
  const rows = outputs.map(({ output, found, held_out, guessing }) => {
    const shown = (value) => (output === "value" ? number(value, 3) : percent(value, 1));
    const here = t(`three_${output}`, { label: name, found: shown(found), brightness: number(brightness, 3) });
    return [make("code", LAST_LAYERS[output]), here, shown(held_out), shown(guessing)];
  });
  at("three").replaceChildren(tableOf([t("last_layer"), t("this_photo"), t("on_held_out"), t("guessing")], rows));
}));

const LAST_LAYERS = { value: "Dense(1), loss='mse'", binary: "Dense(1, activation='sigmoid')",
  category: "Dense(n, activation='softmax')" };

// The colour of a channel of the input, by name.
const colourOf = (i) => t(["red", "green", "blue"][page.preprocessing.channels[i]]);

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
function pixelSentence() {
  const { row, column } = state, { channels } = page.preprocessing;
  const rgb = [...arrays.pixels.values.subarray(3 * (row * inputSize() + column)).subarray(0, 3)];
  const input = channels.map((channel, i) => number(preprocessed(rgb[channel], i)));
  const letters = channels.map((channel) => "RGB"[channel]).join("");
  const ordered = channels.map((channel) => rgb[channel]);
  return t("pixel", { row, column, rgb: rgb.join(", "), order: letters, ordered: ordered.join(", "),
    mean: page.preprocessing.mean.join(", "), input: input.join(", ") });
}

function named(picture, text) {
  if (picture.tagName === "CANVAS") {
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", text);
  }
  return picture;
}
