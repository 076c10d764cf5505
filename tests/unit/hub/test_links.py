"""Signed links: nobody else makes one, changes one, or uses one elsewhere or later."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import LinkInvalid
from mooring.hub.links import LinkSigner

SIGNER = LinkSigner(b"key", "http://hub")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
FACTS = st.dictionaries(
    TEXTS.filter(lambda name: name not in ("expires", "signature")), TEXTS, max_size=4
)


def _query(link: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(link).query, keep_blank_values=True))


@given(FACTS)
def test_a_link_holds_its_facts(facts: dict[str, str]) -> None:
    assert SIGNER.check("/p", _query(SIGNER.sign("/p", facts, seconds=60))) == facts


@given(FACTS, st.data())
def test_a_changed_link_is_invalid(facts: dict[str, str], data: st.DataObject) -> None:
    query = _query(SIGNER.sign("/p", facts, seconds=60))
    name = data.draw(st.sampled_from(sorted(query)))
    change = data.draw(st.sampled_from(["value", "drop", "add", "rename", "join"]))
    changed = dict(query)
    if change == "value":
        changed[name] = data.draw(TEXTS.filter(lambda text: text != query[name]))
    elif change == "drop":
        del changed[name]
    elif change == "add":
        changed[data.draw(TEXTS.filter(lambda text: text not in query))] = "x"
    elif change == "rename":
        changed[name + "\n"] = changed.pop(name)
    else:  # what a signature over joined texts would not notice
        changed[name] = f"{changed[name]}\n1:a=1:b"
    with pytest.raises(LinkInvalid):
        SIGNER.check("/p", changed)


@pytest.mark.parametrize("path", ["/q", "/p/", "/p/../p", "", "/P", "/p\n"])
def test_a_link_leads_to_one_path(path: str) -> None:
    query = _query(SIGNER.sign("/p", {"a": "b"}, seconds=60))
    with pytest.raises(LinkInvalid):
        SIGNER.check(path, query)


def test_a_link_ends() -> None:
    query = _query(SIGNER.sign("/p", {}, seconds=-1))
    with pytest.raises(LinkInvalid, match="expired"):
        SIGNER.check("/p", query)
    longer = {**query, "expires": "99999999999"}
    with pytest.raises(LinkInvalid, match="changed"):
        SIGNER.check("/p", longer)


@pytest.mark.parametrize("signature", ["", "x", "é", "\ud800", "A" * 100_000, "\0"])
def test_a_signature_that_is_none(signature: str) -> None:
    query = _query(SIGNER.sign("/p", {}, seconds=60))
    with pytest.raises(LinkInvalid):
        SIGNER.check("/p", {**query, "signature": signature})


def test_a_link_of_another_hub() -> None:
    other = LinkSigner(b"other key", "http://hub")
    with pytest.raises(LinkInvalid):
        SIGNER.check("/p", _query(other.sign("/p", {}, seconds=60)))
