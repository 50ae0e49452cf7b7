"""mlpi user, workspace, member, token."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mlpi.cli.common import Home, actor, opened, table

user = typer.Typer(help="Accounts.", no_args_is_help=True)
workspace = typer.Typer(help="Workspaces.", no_args_is_help=True)
member = typer.Typer(help="Members of workspaces.", no_args_is_help=True)
token = typer.Typer(help="Tokens for clients.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(show_default=False)]
Stdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


@user.command("add")
def user_add(
    name: Name,
    admin: Annotated[bool, typer.Option("--admin", help="May do everything.")] = False,
    password_stdin: Stdin = False,
    home: Home = None,
) -> None:
    """Create an account. The first one is an admin and owns the workspace "default"."""
    password = _password(password_stdin)
    with opened(home) as house:
        if not house.users.any_exist():
            made = house.users.set_up(name, password, actor=actor())
        else:
            made = house.users.add(name, password, admin=admin, actor=actor())
        typer.echo(f"Added {'admin' if made.is_admin else 'user'} {made.name}.", err=True)


@user.command("list")
def user_list(home: Home = None) -> None:
    """List accounts."""
    from mlpi.web.filters import ago  # noqa: PLC0415

    with opened(home) as house:
        rows = [
            (
                one.name,
                "admin" if one.is_admin else "",
                "disabled" if one.is_disabled else "",
                ago(one.last_login_at),
            )
            for one in house.users.page()
        ]
    table(("USER", "ADMIN", "STATE", "LAST LOGIN"), rows)


@user.command("passwd")
def user_passwd(name: Name, password_stdin: Stdin = False, home: Home = None) -> None:
    """Set a new password; the user's browser sessions end."""
    with opened(home) as house:
        house.users.get(name)
        house.users.set_password(name, _password(password_stdin), actor=actor())
        typer.echo(f"Changed the password of {name}.", err=True)


@user.command("disable")
def user_disable(
    name: Name,
    undo: Annotated[bool, typer.Option("--undo", help="Enable again.")] = False,
    home: Home = None,
) -> None:
    """Lock an account: sessions end and tokens stop working at once."""
    with opened(home) as house:
        house.users.set_disabled(name, not undo, actor=actor())
        typer.echo(f"{'Enabled' if undo else 'Disabled'} {name}.", err=True)


@workspace.command("add")
def workspace_add(
    name: Name,
    description: Annotated[str, typer.Option("--description", help="One line.")] = "",
    owner: Annotated[
        str | None, typer.Option("--owner", help="A user who becomes its owner.")
    ] = None,
    home: Home = None,
) -> None:
    """Create a workspace."""
    with opened(home) as house:
        house.workspaces.add(name, description, owner=owner, actor=actor())
        typer.echo(f"Added workspace {name}.", err=True)


@workspace.command("list")
def workspace_list(home: Home = None) -> None:
    """List workspaces."""
    with opened(home) as house:
        rows = [
            (place.name, str(members), place.description)
            for place, members in house.workspaces.page()
        ]
    table(("WORKSPACE", "MEMBERS", "DESCRIPTION"), rows)


@member.command("add")
def member_add(
    workspace_name: Annotated[str, typer.Argument(metavar="WORKSPACE")],
    user_name: Annotated[str, typer.Argument(metavar="USER")],
    role: Annotated[str, typer.Argument(metavar="viewer|editor|owner")],
    home: Home = None,
) -> None:
    """Make a user a member of a workspace, or change the role."""
    from mlpi.auth.requests import role_of  # noqa: PLC0415

    with opened(home) as house:
        house.workspaces.set_member(workspace_name, user_name, role_of(role), actor=actor())
        typer.echo(f"{user_name} is {role} in {workspace_name}.", err=True)


@member.command("remove")
def member_remove(
    workspace_name: Annotated[str, typer.Argument(metavar="WORKSPACE")],
    user_name: Annotated[str, typer.Argument(metavar="USER")],
    home: Home = None,
) -> None:
    """Remove a member; the tokens for this workspace stop with it."""
    with opened(home) as house:
        house.workspaces.remove_member(workspace_name, user_name, actor=actor())
        typer.echo(f"{user_name} is no longer in {workspace_name}.", err=True)


@member.command("list")
def member_list(
    workspace_name: Annotated[str, typer.Argument(metavar="WORKSPACE")], home: Home = None
) -> None:
    """List the members of a workspace."""
    with opened(home) as house:
        rows = [(one.user.name, one.role.word) for one in house.workspaces.members(workspace_name)]
    table(("USER", "ROLE"), rows)


@token.command("add")
def token_add(
    user_name: Annotated[str, typer.Argument(metavar="USER")],
    workspace_name: Annotated[str, typer.Option("--workspace", metavar="WORKSPACE")],
    role: Annotated[
        str | None,
        typer.Option("--role", metavar="viewer|editor|owner", help="The user's own if left out."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", help="Such as 12h, 90d, 1y; never if left out.")
    ] = None,
    label: Annotated[str, typer.Option("--label", help="What it is for.")] = "",
    home: Home = None,
) -> None:
    """Issue a token and print it, alone, on standard output. It is not shown again."""
    from mlpi.auth.requests import role_of  # noqa: PLC0415
    from mlpi.auth.tokens import lifetime  # noqa: PLC0415

    with opened(home) as house:
        _, secret = house.tokens.add(
            user_name,
            workspace_name,
            role=role_of(role) if role else None,
            lifetime=lifetime(expires),
            label=label,
            actor=actor(),
        )
    typer.echo(secret)


@token.command("list")
def token_list(
    user_name: Annotated[
        str | None, typer.Option("--user", metavar="USER", help="Only this user's.")
    ] = None,
    home: Home = None,
) -> None:
    """List tokens that are not revoked."""
    from mlpi.web.filters import ago, stamp  # noqa: PLC0415

    with opened(home) as house:
        rows = [
            (
                str(one.id),
                one.hint,
                one.user.name,
                one.workspace.name,
                one.role.word,
                stamp(one.expires_at) or "never",
                ago(one.last_used_at),
                one.label,
            )
            for one in house.tokens.page(user=user_name)
        ]
    table(("ID", "TOKEN", "USER", "WORKSPACE", "ROLE", "EXPIRES", "LAST USED", "LABEL"), rows)


@token.command("revoke")
def token_revoke(
    token_id: Annotated[int, typer.Argument(metavar="ID", help="As in mlpi token list.")],
    home: Home = None,
) -> None:
    """Stop a token at once."""
    with opened(home) as house:
        house.tokens.revoke(token_id, actor=actor())
        typer.echo(f"Revoked token {token_id}.", err=True)
