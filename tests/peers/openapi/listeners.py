"""schemathesis against every listener, with the document that `mosip-gateway openapi` prints. `.ci/run` runs it where schemathesis can be
installed.

    python3 -m venv target/openapi && target/openapi/bin/pip install schemathesis==4.32.5
    cargo build && target/openapi/bin/python tests/peers/openapi/listeners.py target/debug/mosip-gateway

A gateway that serves all that it can stands beside the simulator, with tokens on its listeners and something of everything in its outbox. Of
each request that schemathesis makes of the document it looks whether the answer is one that the document describes: its status, its content
type, its headers and its body, without a member that is not described. 500 is none, and what the document forbids has to be refused. `rules.toml` says which checks are made, and
`hooks.py` signs requests and gives them names and bodies that lead somewhere. README.md says what is not reached.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from gateway import LISTENERS, SECRETS, call, configuration, free_port, something_of_everything, until

HERE = Path(__file__).parent.resolve()
# README.md says why.
NOT_REACHED = {
    "DELETE /v1/uin-tokens/{job}",
    "POST /v1/unanswered/{id}/settle",
    "POST /v1/quarantine/{id}/verify",
    "GET /webhooks",
    "GET /webhooks/",
    "GET /websub/callback",
    "GET /websub/callback/",
    "POST /websub/callback",
    "POST /websub/callback/",
}


def main(program, options):
    at = {name: f"127.0.0.1:{free_port()}" for name in LISTENERS}
    variables = os.environ | SECRETS | {"MOSIP_GATEWAY_LOG": "off"}
    with tempfile.TemporaryDirectory() as folder:
        simulator = subprocess.Popen(
            [program, "simulator", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        mosip = simulator.stdout.readline().strip()
        config = Path(folder) / "gateway.toml"
        config.write_text(configuration(folder, mosip, at))
        gateway = subprocess.Popen([program, "serve", "--config", config, "--allow-example-keys"], env=variables)
        try:
            until("a gateway", lambda: call(f"http://{at['internal']}/v1/keys", token=SECRETS["TOKEN"]))
            site = Path(folder) / "site.json"
            site.write_text(json.dumps(something_of_everything(at, mosip)))
            record = {"eventId": "e-1", "actionId": "a-1", "awaits": "registration"}
            variables |= {"SITE": str(site), "RECORD_TOKEN": call(f"{mosip}/simulator/record", record)["token"]}
            failed = [name for name in LISTENERS if not holds(program, name, at[name], folder, variables, options)]
        finally:
            gateway.terminate()
            simulator.terminate()
            gateway.wait()
            simulator.wait()
    if failed:
        raise SystemExit(f"the documents of these listeners do not hold: {', '.join(failed)}")


def holds(program, listener, address, folder, variables, options):
    """Whether each request to a listener was answered as its document says, and one to each route but `NOT_REACHED` succeeded."""
    document, reached = Path(folder) / f"{listener}.json", Path(folder) / f"{listener}.reached"
    document.write_bytes(subprocess.check_output([program, "openapi", "--listener", listener]))
    schemathesis = [Path(sys.executable).parent / "schemathesis", "--config-file", HERE / "rules.toml", "run"]
    first = 1000 + 100_000 * LISTENERS.index(listener)
    reached.touch()
    variables = variables | {"PYTHONPATH": str(HERE), "REACHED": str(reached), "FIRST_NUMBER": str(first)}
    print(f"-- {listener}", flush=True)
    run = [*schemathesis, document, "--url", f"http://{address}", "--warnings", "off", *options]
    keeps = subprocess.run(run, cwd=folder, env=variables).returncode == 0
    paths = json.loads(document.read_text())["paths"]
    described = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    missed = described - NOT_REACHED - set(reached.read_text().split("\n"))
    for route in sorted(missed):
        print(f"{route}: nothing that it was sent succeeded")
    return keeps and not missed


main(sys.argv[1], sys.argv[2:])
