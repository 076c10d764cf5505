"""The hub: one server on a store, with a door for each protocol.

`app.py` puts it together, `doors/<protocol>/` translate, `accounts/` knows who may do what,
`guarded.py` holds everybody to it.
"""
