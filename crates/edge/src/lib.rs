//! The gateway: trust pipeline as a pure library, and a reverse proxy that hosts it.
