"""All pages of this room."""

from __future__ import annotations

from fastapi import APIRouter

from mlpi.auth import admin_routes, login_routes, members_routes, settings_routes
from mlpi.auth.setup import SetupKey
from mlpi.house import House


def router(house: House, setup_key: SetupKey) -> APIRouter:
    """Log-in and set-up, a user's own settings, the workspace's, and the admin's."""
    pages = APIRouter(include_in_schema=False)
    pages.include_router(login_routes.router(house, setup_key))
    pages.include_router(settings_routes.router(house))
    pages.include_router(members_routes.router(house))
    pages.include_router(admin_routes.router(house))
    return pages
