"""Which services make up the embedded stack, with their commands and environments."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from components.settings import Settings
from components.storage.embedded import weed_command, weed_ready
from flows.stack.processes import Service, answers, free_port
from flows.stack.state import secret_key, wanted_bento

TELEMETRY_OFF = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "BENTOML_DO_NOT_TRACK": "True",
    "GX_ANALYTICS_ENABLED": "false",
}
POOLS = ("cpu", "gpu")
KEEP_ALIVE_S = "75"  # longer than a balancer keeps what is idle, which else sends into a connection just closed


def stack_settings(settings: Settings) -> Settings:
    """The settings with a port for each service: the usual one, or a free one where that is taken."""
    usual = {"s3": 8333, "prefect": 4200, "bento": 3000, "www": 3001}
    port = {name: free_port(wanted) for name, wanted in usual.items()}
    return settings.model_copy(
        update={
            "store_endpoint": f"127.0.0.1:{port['s3']}",
            "store_secret_key": SecretStr(secret_key(settings.home)),
            "prefect_api_url": f"http://127.0.0.1:{port['prefect']}/api",
            "service_url": f"http://127.0.0.1:{port['bento']}",
            "reports_url": f"http://127.0.0.1:{port['www']}",
        }
    )


def environment(settings: Settings) -> dict[str, str]:
    """What every process of the stack sees: our interpreter first, telemetry off, state under `.swath/`."""
    home = settings.home
    return {
        **TELEMETRY_OFF,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "SWATH_PROJECT": str(settings.project),
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_API_URL": settings.prefect_api_url,
        "PREFECT_LOCAL_STORAGE_PATH": str(home / "prefect" / "results"),
        "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
        "PREFECT_WORKER_QUERY_SECONDS": "2",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "components,flows",
        "PREFECT_LOGGING_ROOT_LEVEL": "INFO",
        "PREFECT_CLI_PROMPT": "false",
        "BENTOML_HOME": str(home / "bentoml"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "",  # without bytecode every start of dvc or prefect takes seconds longer
    }


def services(settings: Settings) -> dict[str, Service]:
    """The services by name, in no order; `supervisor` knows what waits for what."""
    python, env, logs, cwd = sys.executable, environment(settings), settings.home / "logs", settings.project
    api = settings.prefect_api_url
    host, port = api.removeprefix("http://").removesuffix("/api").split(":")
    reports = settings.home / "reports"
    reports.mkdir(parents=True, exist_ok=True)

    def service(name: str, command: list[str], url: str, ready_at: str, *, restart: bool = False) -> Service:
        return Service(name, command, env, url, lambda: answers(ready_at), cwd, logs / f"{name}.log", restart)

    store = Service(
        "store",
        weed_command(settings.home / "store", settings.store_endpoint, settings.store_access_key, _secret(settings)),
        env,
        f"http://{settings.store_endpoint}",
        lambda: weed_ready(settings.store_endpoint, settings.home / "store"),
        cwd,
        logs / "store.log",
        patience_s=1.0,  # its orderly end takes 15 s and saves nothing: acknowledged objects are on disk
    )
    server = [python, "-m", "flows.stack.prefect_server", "--host", host, "--port", port]
    static = [python, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(reports)]
    www, bento = settings.reports_url, settings.service_url
    found = {
        "store": store,
        "prefect": service("prefect", server, api.removesuffix("/api"), f"{api}/health"),
        "reports": service("reports", [*static, www.rsplit(":", 1)[1]], www, www),
        "service": service("service", serve_command(settings), bento, f"{bento}/readyz"),
    }
    for pool in POOLS:
        worker = [python, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process"]
        limit = ["--name", f"{pool}-agent", "--limit", "1" if pool == "gpu" else "4"]
        log = logs / f"{pool}-agent.log"
        found[f"{pool}-agent"] = Service(
            f"{pool}-agent",
            [*worker, *limit],
            env,
            f"{api.removesuffix('/api')}/work-pools/work-pool/{pool}",
            partial(_says, log, "started!"),
            cwd,
            log,
            restart=True,
        )
    return found


def serve_command(settings: Settings) -> list[str]:
    """How the service is started: as the Bento that is wanted, or from the project's own source code."""
    what = wanted_bento(settings.home) or "serving.service:SwathService"
    port = settings.service_url.rsplit(":", 1)[1]
    listening = ["--host", "127.0.0.1", "--port", port, "--timeout-keep-alive", KEEP_ALIVE_S]
    return [sys.executable, "-m", "bentoml", "serve", what, *listening]


def _secret(settings: Settings) -> str:
    return settings.store_secret_key.get_secret_value()


def _says(log: Path, word: str) -> bool:
    return log.is_file() and word in log.read_text(errors="replace")
