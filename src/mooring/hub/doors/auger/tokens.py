"""Logging in: a token for a name and a password."""

from __future__ import annotations

from mooring.hub.accounts import Accounts
from mooring.hub.doors.auger.calls import Answer


def log_in(accounts: Accounts, email: object, password: object) -> Answer:
    """Answer a new token; `Unauthenticated` for a wrong name or password, whichever it is."""
    made = accounts.log_in(str(email), str(password))
    return Answer({"token": made.secret, "confirmation_required": False})
