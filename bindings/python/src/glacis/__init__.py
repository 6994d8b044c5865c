"""The client of Glacis for Python.

`Client`, `Flow`, and all types are generated from the Rust interface and are in this module. By hand are a loop around a
flow (`drive`, `decide`), a transport over `http.client` (`Http`) and ways to write values shortly (`action`, `signal`).

A flow owns no socket: whoever drives it sends what it hands out, exactly as it is, and gives back what came.
"""

from .drive import Http, Lost, Transport, User, decide, drive, nobody
from .glacis import *  # noqa: F403  (the generated module says what it exports)
from .glacis import InternalError
from .values import action, signal
