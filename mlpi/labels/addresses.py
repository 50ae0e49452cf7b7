"""Addresses that stand for accounts, which have names: Label Studio's clients expect one."""

from __future__ import annotations

MAIL_HOST = "mlpi.invalid"


def mail(name: str) -> str:
    """The address that stands for an account's name, which may be one itself."""
    return name if "@" in name else f"{name}@{MAIL_HOST}"


def name_of(address: str) -> str:
    """The account that an address stands for: the part before mlpi's own host, or all of it."""
    return address.removesuffix(f"@{MAIL_HOST}")
