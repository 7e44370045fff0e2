"""Where this process listens: beyond this machine only with tokens."""

from __future__ import annotations

import ipaddress
import logging
import os
import signal
from collections.abc import Iterable

import psutil

from components.errors import ServiceUnavailable
from components.settings import load_settings
from serving.tokens import Tokens

logger = logging.getLogger(__name__)


def require_tokens_beyond_loopback() -> None:
    """Nothing where the process listens on loopback only, or asks for tokens.

    BentoML's supervisor would start a refusing worker again and again, so it is asked to end.

    Raises:
        ServiceUnavailable: one sentence with the address and the remedy.
    """
    addresses = exposed(each.laddr.ip for each in psutil.Process().net_connections() if each.status == "LISTEN")
    if not addresses or Tokens.of(load_settings().tokens):
        return
    sentence = (
        f"the service would listen on {', '.join(addresses)} without tokens; "
        "set SWATH_TOKENS (`swath token` makes one), or serve with --host 127.0.0.1"
    )
    logger.error(sentence)
    if "--worker-id" in psutil.Process().cmdline():  # started by BentoML's supervisor
        os.kill(os.getppid(), signal.SIGTERM)
    raise ServiceUnavailable(sentence)


def exposed(addresses: Iterable[str]) -> list[str]:
    """Those addresses that other machines can reach."""
    return sorted({each for each in addresses if not ipaddress.ip_address(each).is_loopback})
