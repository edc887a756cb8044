// The networks of the lecture side by side.

sections.push(function architectures() {
  ifChanged("architectures", state.lang, () => {
    const most = (name) => Math.max(...page.architectures.map(({ cost }) => cost[name]));
    const barOf = ({ cost }, name) => {
      const digits = { maximumFractionDigits: cost[name] < 1e9 ? 1 : 0 };
      const millions = (cost[name] / 1e6).toLocaleString("en-US", digits);
      return make("span", null, {}, bar(cost[name], most(name)), ` ${millions}`);
    };
    const error = (value) => (value === null ? "–" : `${value} %`);
    const rows = page.architectures.map((network) => [network.name, String(network.year), String(network.cost.depth),
      barOf(network, "parameters"), barOf(network, "multiply_adds"), error(network.top1), error(network.top5)]);
    at("architectures").replaceChildren(tableOf([t("network"), t("year"), t("layers"), t("parameters (millions)"),
      t("multiply-adds (millions)"), t("top-1 error"), t("top-5 error")], rows));
    at("sources").replaceChildren(...page.architectures.map((network) => make("li", null, {},
      make("strong", network.name), ` ${told(network.idea)} `,
      make("small", `${network.source}; ${told(network.tested)}`))));
  });
});
