// The networks of the lecture side by side.

sections.push(function architectures() {
  ifChanged("architectures", state.lang, () => {
    const most = (name) => Math.max(...page.architectures.map((network) => network[name]));
    const barOf = (network, name) => {
      const cell = make("span", null, {}, bar(network[name], most(name)), ` ${(network[name] / 1e6).toLocaleString("en-US",
        { maximumFractionDigits: network[name] < 1e9 ? 1 : 0 })}`);
      return cell;
    };
    const error = (value) => (value === null ? "–" : `${value} %`);
    const rows = page.architectures.map((network) => [network.name, String(network.year), String(network.depth),
      barOf(network, "parameters"), barOf(network, "multiply_adds"), error(network.top1), error(network.top5)]);
    at("architectures").replaceChildren(tableOf([t("network"), t("year"), t("depth"), t("parameters"),
      t("multiply_adds"), t("top1"), t("top5")], rows));
    at("sources").replaceChildren(...page.architectures.map((network) => make("li", null, {},
      make("strong", network.name), ` ${t(`idea_${network.name}`)} `,
      make("small", `${network.source}; ${t(`tested_${network.name}`)}`))));
  });
});
