"""Finds Ray and connects to a cluster, or says in one sentence why that cannot be done."""

from __future__ import annotations

import importlib.util
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from datagen.config import RaySettings
from datagen.errors import SettingsError

CONNECT_TIMEOUT_S = 5.0
_OWN = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray would tell its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # as later versions do; older ones warn
}


def require_ray() -> None:
    """Check that Ray is installed.

    Raises:
        SettingsError: It is not.
    """
    if importlib.util.find_spec("ray") is None:
        raise SettingsError("--engine ray needs Ray, which is not installed: pip install 'datagen[ray]'.")


@contextmanager
def connected(settings: RaySettings) -> Iterator[None]:
    """Be connected to the cluster of the settings, to one on this machine, or to one started for this run.

    A connection that was there before is used, and left as it was.

    Raises:
        SettingsError: Ray is missing, or nobody answers at the address.
    """
    require_ray()
    for name, value in _OWN.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        yield
        return
    _connect(settings.address or os.environ.get("RAY_ADDRESS") or None)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str | None) -> None:
    import ray

    if address is not None and address not in ("auto", "local"):
        _require_listener(address)
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "datagen"}
    try:
        if address is None:
            try:
                ray.init(address="auto", **quiet)
            except ConnectionError:
                ray.init(address="local", include_dashboard=False, **quiet)
        else:
            ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError) as error:
        told = str(error).strip().splitlines() or [type(error).__name__]
        raise SettingsError(f"--ray-address {address or 'auto'}: {told[0].rstrip('.')}.") from None


def _require_listener(address: str) -> None:
    """Ask at the address before Ray does, which would try for a minute and then end the process."""
    expected = "expected HOST:PORT of a cluster's head, such as 10.0.0.1:6379"
    if "://" in address:
        raise SettingsError(f"--ray-address {address}: {expected}; run datagen on a machine of the cluster.")
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise SettingsError(f"--ray-address {address}: {expected}.")
    try:
        socket.create_connection((host, port), CONNECT_TIMEOUT_S).close()
    except OSError as error:
        why = error.strerror or str(error)
        raise SettingsError(
            f"--ray-address {address}: no Ray cluster answers ({why}); start one with 'ray start --head' there."
        ) from None
