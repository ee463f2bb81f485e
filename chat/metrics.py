"""Figures of this process for Prometheus, beside those that its library has by itself."""

from collections.abc import Iterator

from prometheus_client.core import REGISTRY, CounterMetricFamily
from prometheus_client.registry import Collector

from channels_socketio import notices


class Refusals(Collector):
    """How often each limit was reached."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        refusals = CounterMetricFamily("limit_refusals", "What limits and the origin check refused.", labels=["limit"])
        for name, count in sorted(notices.counts.items()):
            refusals.add_metric([name], count)
        yield refusals


def install() -> None:
    """Have the figures in `/metrics`."""
    REGISTRY.register(Refusals())
