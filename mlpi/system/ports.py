"""Who listens on a port of this machine, and whether a firewall stands before it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mlpi.lock import RunningService
from mlpi.settings import Settings
from mlpi.system.findings import Finding, bad, ok, warn
from mlpi.system.host import Host

EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket; pid and program are None and "" where they are not ours to know."""

    address: str
    pid: int | None
    program: str


def listeners_on(port: int) -> list[Listener]:
    """Whoever listens on this TCP port, on any address."""
    import psutil  # noqa: PLC0415 - 20 ms that only this check needs

    found = []
    for one in psutil.net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN and one.laddr.port == port:
            try:
                program = psutil.Process(one.pid).name() if one.pid else ""
            except psutil.Error:
                program = ""
            found.append(Listener(one.laddr.ip, one.pid, program))
    return found


def judge_port(
    settings: Settings, listeners: Iterable[Listener], running: RunningService | None
) -> Finding:
    """Whether mlpi has its port, or could have it."""
    port = settings.port
    rivals = [one for one in listeners if _meets(one.address, settings.host)]
    if running is not None:
        if any(one.pid in (running.pid, None) for one in rivals):
            return ok("port", f"{port} is mlpi's own (process {running.pid}).")
        where = running.url or "an address not published yet"
        return ok("port", f"mlpi (process {running.pid}) runs on this home, at {where}.")
    if not rivals:
        return ok("port", f"{port} is free.")
    who = rivals[0]
    name = f"{who.program} (process {who.pid})" if who.pid else "another user's program"
    return bad(
        "port",
        f"{port} on {who.address} is used by {name}.",
        "Stop that, or choose another port: port = … in mlpi.toml, MLPI_PORT or --port.",
    )


def judge_firewall(settings: Settings, host: Host) -> Finding:
    """Which command opens the port, where a firewall is active. Never needs root to find out."""
    port = settings.port
    if settings.host in ("127.0.0.1", "::1", "localhost"):
        return ok("firewall", "mlpi listens on this machine alone.")
    if _is_ufw_on(host):
        rules = (host.read("/etc/ufw/user.rules") or "") + (host.read("/etc/ufw/user6.rules") or "")
        if f"--dport {port} " in rules:
            return ok("firewall", f"ufw is active and has a rule for port {port}.")
        return warn("firewall", "ufw is active.", f"To open the port: sudo ufw allow {port}/tcp")
    if _is_active(host, "firewalld"):
        command = (
            f"sudo firewall-cmd --permanent --add-port={port}/tcp && sudo firewall-cmd --reload"
        )
        return warn("firewall", "firewalld is active.", f"To open the port: {command}")
    if _is_active(host, "nftables"):
        rule = f"sudo nft add rule inet filter input tcp dport {port} accept"
        return warn("firewall", "nftables is active.", f"If it drops by default: {rule}")
    return ok("firewall", "None is active (ufw, firewalld, nftables).")


def _meets(listening: str, wanted: str) -> bool:
    """Whether the two addresses cannot both be bound."""
    return listening == wanted or listening in EVERY_ADDRESS or wanted in EVERY_ADDRESS


def _is_ufw_on(host: Host) -> bool:
    lines = (host.read("/etc/ufw/ufw.conf") or "").lower().splitlines()
    return "enabled=yes" in (line.strip() for line in lines)


def _is_active(host: Host, unit: str) -> bool:
    return host.ask("systemctl", "is-active", f"{unit}.service") == "active"
