"""Requests to a server of this computer by plain HTTP: no certificates, 24 ms to read at each call."""

from __future__ import annotations

import ssl
from functools import partial

import httpx

CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody
get, post, options = (partial(call, verify=CONTEXT) for call in (httpx.get, httpx.post, httpx.options))
Client = partial(httpx.Client, verify=CONTEXT)
