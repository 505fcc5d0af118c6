"""Has `doctor` examine each configuration that the samples and the chart render: configurations.py PROGRAM NAME=FILE...

The gateway of a file finds its configuration, its variables and its folders below a folder of its own, with the keys of keys.example and
made-up secrets in the places that the file mounts. Needs PyYAML.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

CONFIG = "/etc/mosip-gateway"
KEYS = "/data/secrets/mosip"
OUTBOX = "/var/lib/mosip-gateway"
FOLDERS = [CONFIG, KEYS, "/run/secrets", OUTBOX]


def of_manifests(text):
    """The files of the configuration and the variables of the container `gateway`."""
    objects = [one for one in yaml.safe_load_all(text) if one]
    maps = {one["metadata"]["name"]: one["data"] for one in objects if one["kind"] == "ConfigMap"}
    [pod] = [one["spec"]["template"]["spec"] for one in objects if one["kind"] in ("StatefulSet", "Deployment")]
    [container] = [one for one in pod.get("initContainers", []) + pod["containers"] if one["name"] == "gateway"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    [volume] = [volume for volume in pod["volumes"] if mounts.get(volume["name"]) == CONFIG]
    variables = {one["name"]: one.get("value", "a secret") for one in container.get("env", [])}
    return maps[volume["configMap"]["name"]], variables


def of_compose(text, config):
    """The variables of its gateways; the configuration is its reader's own, so that of `config` stands in."""
    services = yaml.safe_load(text)["services"]
    gateways = [service["environment"] for name, service in services.items() if name.startswith("gateway")]
    assert all(one == gateways[0] for one in gateways), "gateways of one database differ"
    if "MOSIP_GATEWAY__OUTBOX__URL_FILE" in gateways[0]:
        config = {file: re.sub(r"(?m)^path *= .*outbox\.db.*\n", "", text) for file, text in config.items()}
    return config, gateways[0]


def examine(program, name, files, variables):
    """Ends the process unless `doctor` finds nothing that does not work."""
    with tempfile.TemporaryDirectory() as root:
        below = lambda text: re.sub("|".join(FOLDERS), lambda found: root + found[0], text)
        for folder in FOLDERS:
            Path(root + folder).mkdir(parents=True)
        shutil.copytree("keys.example", root + KEYS, dirs_exist_ok=True)
        for file, text in files.items():
            Path(root + CONFIG, file).write_text(below(text))
        # No address is taken here, whatever else runs.
        settings = {key: re.sub(r":45\d\d$", ":0", below(value)) for key, value in variables.items()}
        settings["MOSIP_GATEWAY__LISTEN__INTERNAL"] = "127.0.0.1:0"
        settings["MOSIP_GATEWAY_CONFIG"] = f"{root}{CONFIG}/mosip-gateway.toml"
        for text in [*settings.values(), Path(settings["MOSIP_GATEWAY_CONFIG"]).read_text()]:
            for secret in re.findall(re.escape(root) + r"/run/secrets/[\w./-]+", text):
                Path(secret).parent.mkdir(exist_ok=True)
                if not Path(secret).exists():
                    Path(secret).write_bytes(SECRETS.get(Path(secret).name, SECRET))
                    Path(secret).chmod(0o600)
        arguments = [program, "doctor", "--allow-example-keys"]
        ended = subprocess.run(arguments, env=settings, capture_output=True, text=True)
        said = (ended.stdout + ended.stderr).replace(root, "")
        if ended.returncode != 0:
            sys.exit(f"{name}: doctor ends with {ended.returncode}\n{said}")
        print(f"{name}: {said.strip().splitlines()[-1]}")


SECRET = b"a secret of more than sixteen characters"
# Those that have a form. Nobody answers at the URL, which `doctor` says.
SECRETS = {
    "outbox.key": b"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n",
    "outbox.url": b"postgresql://gateway@127.0.0.1:1/outbox",
}


def main():
    program, *named = sys.argv[1:]
    texts = {name: Path(file).read_text() for name, file in (one.split("=", 1) for one in named)}
    files, _ = of_manifests(texts["kubernetes"])
    # The variables of compose.yaml name the same secrets in another folder.
    files = {name: text.replace("/run/secrets/mosip-gateway/", "/run/secrets/") for name, text in files.items()}
    for name, text in texts.items():
        configuration = of_compose(text, files) if name.startswith("compose") else of_manifests(text)
        examine(os.path.realpath(program), name, *configuration)


main()
