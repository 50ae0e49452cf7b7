"""Figures in Prometheus' exposition format."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from mlpi.component import Components, State
from mlpi.system.machine import Machine


def exposition(components: Components, machine: Machine) -> tuple[bytes, str]:
    """The text and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(components, machine))
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


class _Figures(Collector):
    def __init__(self, components: Components, machine: Machine) -> None:
        self._components = components
        self._machine = machine

    def collect(self) -> Iterable[Metric]:
        figures = self._machine.figures()
        gauges = {
            "mlpi_process_memory_bytes": ("Resident memory of mlpi", figures.process_bytes),
            "mlpi_memory_used_bytes": ("Memory in use", figures.memory_used_bytes),
            "mlpi_memory_total_bytes": ("Memory of the machine", figures.memory_total_bytes),
            "mlpi_disk_free_bytes": ("Free space where the home is", figures.disk_free_bytes),
            "mlpi_disk_total_bytes": ("Size of the home's disk", figures.disk_total_bytes),
            "mlpi_cpu_percent": ("Processor use of the machine", figures.cpu_percent),
        }
        if figures.temperature_c is not None:
            gauges["mlpi_temperature_celsius"] = ("Processor temperature", figures.temperature_c)
        for measure in self._components.measures():
            gauges[measure.name] = (measure.text, measure.value)
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(name, text, value)
        ready = GaugeMetricFamily(
            "mlpi_component_ready", "1 when the component is ready", labels=["component"]
        )
        for name, health in self._components.health().items():
            ready.add_metric([name], float(health.state is State.READY))
        yield ready
