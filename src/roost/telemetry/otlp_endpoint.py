"""What every exporter is told of where its signal goes."""

from typing import Any

from opentelemetry.exporter.otlp.proto.http import Compression

from roost.telemetry.options import Endpoint


def exporter_options(endpoint: Endpoint) -> dict[str, Any]:
    """Give the arguments that the exporters of traces, metrics and logs have in common."""
    return {
        "endpoint": endpoint.url,
        "certificate_file": endpoint.certificate,
        "client_key_file": endpoint.client_key,
        "client_certificate_file": endpoint.client_certificate,
        "headers": endpoint.headers,
        "timeout": endpoint.timeout,
        "compression": Compression(endpoint.compression),
    }
