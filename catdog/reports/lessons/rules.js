// The optimizers' rules for a few numbers, with the constants that catdog gives to Optax. Each is made for a
// learning rate, keeps what it remembers, and turns a gradient and a place into a step.

const each = (values, made) => values.map((value, i) => made(value, i));

// An average that forgets: of `made(gradient)`, from 0.
function average(memory, made = (value) => value) {
  let kept;
  return (values) => {
    kept = each(values, (value, i) => memory * (kept ? kept[i] : 0) + (1 - memory) * made(value));
    return kept;
  };
}

const square = (value) => value * value;

function velocity() {
  let kept;
  return (gradient) => {
    kept = each(gradient, (value, i) => value + 0.9 * (kept ? kept[i] : 0));
    return kept;
  };
}

// The averages of Adam, without their bias, and the number of the step.
function moments() {
  const first = average(0.9), second = average(0.999, square);
  let count = 0;
  return (gradient) => {
    count += 1;
    const [raw, squares] = [first(gradient), second(gradient)];
    return { count, raw, mean: each(raw, (value) => value / (1 - 0.9 ** count)),
      root: each(squares, (value) => Math.sqrt(value / (1 - 0.999 ** count))) };
  };
}

const RULES = {
  gd: (rate) => (gradient) => each(gradient, (value) => -rate * value),

  momentum: (rate) => {
    const speed = velocity();
    return (gradient) => each(speed(gradient), (value) => -rate * value);
  },

  nag: (rate) => {
    const speed = velocity();
    return (gradient) => each(speed(gradient), (value, i) => -rate * (gradient[i] + 0.9 * value));
  },

  adagrad: (rate) => {
    let sums;
    return (gradient) => {
      sums = each(gradient, (value, i) => square(value) + (sums ? sums[i] : 0.1));
      return each(gradient, (value, i) => (-rate * value) / Math.sqrt(sums[i] + 1e-7));
    };
  },

  rmsprop: (rate) => {
    const squares = average(0.9, square);
    return (gradient) => {
      const found = squares(gradient);
      return each(gradient, (value, i) => (-rate * value) / Math.sqrt(found[i] + 1e-8));
    };
  },

  adadelta: (rate) => {
    const squares = average(0.9, square), steps = average(0.9, square);
    let past = [];
    return (gradient) => {
      const found = squares(gradient);
      const made = each(gradient, (value, i) =>
        (value * Math.sqrt((past[i] ?? 0) + 1e-6)) / Math.sqrt(found[i] + 1e-6));
      past = steps(made);
      return each(made, (value) => -rate * value);
    };
  },

  adam: (rate) => {
    const averages = moments();
    return (gradient) => {
      const { count, mean, root } = averages(gradient);
      const epsilon = 1e-7 / Math.sqrt(1 - 0.999 ** count);
      return each(mean, (value, i) => (-rate * value) / (root[i] + epsilon));
    };
  },

  nadam: (rate) => {
    const averages = moments();
    return (gradient) => {
      const { count, raw, root } = averages(gradient);
      return each(gradient, (value, i) => {
        const ahead = (0.9 * raw[i]) / (1 - 0.9 ** (count + 1)) + (0.1 * value) / (1 - 0.9 ** count);
        return (-rate * ahead) / (root[i] + 1e-8);
      });
    };
  },

  adamw: (rate) => {
    const averages = moments();
    return (gradient, place) => {
      const { mean, root } = averages(gradient);
      return each(mean, (value, i) => -rate * (value / (root[i] + 1e-8) + 0.01 * place[i]));
    };
  },
};
