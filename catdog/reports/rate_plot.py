"""The curve of a learning rate range test, as a plot."""

from matplotlib.axes import Axes
from matplotlib.ticker import StrMethodFormatter

from catdog.reports.plots import Plot, Write
from catdog.text import message
from catdog.training.find_rate import RateCurve


def rate_plot(curve: RateCurve) -> Plot:
    """The loss by learning rate, with the suggested rate."""

    def draw(axes: Axes, write: Write) -> None:
        axes.plot(curve.rates, curve.losses)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.tick_params("x", labelsize=8)
        label = write(message("suggested: {rate:g}", rate=curve.suggested))
        axes.axvline(curve.suggested, color="#888888", linestyle=":", label=label)
        axes.legend(frameon=False)

    title = message("Loss by learning rate")
    alt = message(
        "Loss by learning rate, from {lowest:.2g} to {highest:.2g}. The suggested rate is {rate:g}.",
        lowest=curve.rates[0],
        highest=curve.rates[-1],
        rate=curve.suggested,
    )
    return Plot("learning_rate", title, alt, (message("learning rate"), message("loss")), draw)
