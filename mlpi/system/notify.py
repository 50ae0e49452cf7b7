"""systemd's notification protocol: ready, stopping, and a watchdog fed by the event loop."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping


class Notifier:
    """Datagrams to $NOTIFY_SOCKET; silent where there is none (sd_notify(3))."""

    def __init__(self, address: str | None, watchdog_s: float | None) -> None:
        self._address = address
        self.watchdog_s = watchdog_s

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Notifier:
        address = environ.get("NOTIFY_SOCKET") or None
        for_us = environ.get("WATCHDOG_PID") in (None, "", str(os.getpid()))
        usec = environ.get("WATCHDOG_USEC", "") if for_us else ""
        return cls(address, int(usec) / 1e6 if usec.isdecimal() else None)

    def ready(self, status: str) -> None:
        self.send(f"READY=1\nSTATUS={status}")

    def stopping(self, within_s: float) -> None:
        """Also asks for the time that the drain may take, should it exceed TimeoutStopSec."""
        self.send(
            f"STOPPING=1\nEXTEND_TIMEOUT_USEC={int(within_s * 1e6)}\n"
            "STATUS=finishing running requests"
        )

    def send(self, message: str) -> None:
        """One datagram; a vanished receiver is no reason to fail."""
        if self._address is None:
            return
        address = self._address
        if address.startswith("@"):
            address = "\0" + address[1:]
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            try:
                channel.sendto(message.encode(), address)
            except OSError:
                return

    async def feed_watchdog(self) -> None:
        """Say we are alive at a third of the watchdog's time, as long as the event loop turns."""
        if self.watchdog_s is None:
            return
        while True:
            self.send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / 3)
