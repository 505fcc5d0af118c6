"""A collector made of OpenTelemetry's own Python messages reads what the gateway sends.

    python collector.py target/debug/mosip-gateway
"""

import http.server
import os
import queue
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PATIENCE = 30


class Collector(http.server.BaseHTTPRequestHandler):
    spans: queue.Queue = queue.Queue()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Content-Type"] == "application/x-protobuf"
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {told.key: told.value.string_value for told in of_resource.resource.attributes}
            assert names["service.name"] == "mosip-gateway", names
            for scope in of_resource.scope_spans:
                for span in scope.spans:
                    self.spans.put(span)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(url: str) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-id": "peer-1"}
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
                assert answer.headers["x-request-id"] == "peer-1"
                return
        except OSError:
            assert time.monotonic() < end, "the gateway does not answer"
            time.sleep(0.05)


def main() -> None:
    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    api = free_port()
    with tempfile.TemporaryDirectory() as folder:
        variables = {
            **os.environ,
            "MOSIP_GATEWAY_LOG": "error",
            "MOSIP_GATEWAY__LISTEN__INTERNAL": f"127.0.0.1:{api}",
            "MOSIP_GATEWAY__LISTEN__OPS": f"127.0.0.1:{free_port()}",
            "MOSIP_GATEWAY__OUTBOX__PATH": f"{folder}/outbox.db",
            "MOSIP_GATEWAY__KEYS__DIR": f"{folder}/keys",
            "MOSIP_GATEWAY__TELEMETRY__OTLP_URL": f"http://127.0.0.1:{collector.server_port}/v1/traces",
        }
        os.mkdir(f"{folder}/keys")
        gateway = subprocess.Popen([sys.argv[1], "serve"], env=variables)
        try:
            ask(f"http://127.0.0.1:{api}/v1/keys")
            span = Collector.spans.get(timeout=PATIENCE)
        finally:
            gateway.send_signal(signal.SIGTERM)
            gateway.wait(timeout=PATIENCE)
    told = {one.key: one.value for one in span.attributes}
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT), span
    assert (span.kind, span.name) == (Span.SPAN_KIND_SERVER, "GET /v1/keys"), span
    assert told["http.route"].string_value == "/v1/keys", span
    assert told["http.response.status_code"].int_value == 200, span
    assert 0 < span.start_time_unix_nano < span.end_time_unix_nano, span
    print("OpenTelemetry's own messages read the spans of the gateway")


main()
