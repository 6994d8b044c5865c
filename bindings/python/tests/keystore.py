"""A platform's key store, written in Python over `cryptography`, and variants of it that fail or lie.

It is what Android Keystore or the Secure Enclave are to an app in Kotlin or Swift: an implementation of `PlatformKeys`
that the core does not trust.
"""

import threading

import glacis
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils


class Store(glacis.PlatformKeys):
    """An honest store, in memory. It counts its calls."""

    def __init__(self):
        self._lock = threading.Lock()
        self.keys = {}
        self.calls = []

    def generate(self, alias, user_verification, challenge):
        key = ec.generate_private_key(ec.SECP256R1())
        with self._lock:
            if alias in self.keys:
                raise glacis.KeysError.Failed(f"{alias} was used before")
            self.keys[alias] = (key, user_verification)
            self.calls.append("generate")
        return point(key)

    def sign(self, alias, digest, user_verification):
        key, asks = self._key(alias, "sign")
        if asks != user_verification:
            raise glacis.KeysError.Failed("the user is asked where the key demands it")
        return signature(key, digest)

    def delete(self, alias):
        with self._lock:
            self.calls.append("delete")
            if self.keys.pop(alias, None) is None:
                raise glacis.KeysError.Missing()

    def attest(self, alias, challenge):
        self._key(alias, "attest")
        return None

    def _key(self, alias, call):
        with self._lock:
            self.calls.append(call)
            if alias not in self.keys:
                raise glacis.KeysError.Missing()
            return self.keys[alias]


def point(key):
    """The public key as the uncompressed point."""
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


def spki(key):
    """The public key as `SubjectPublicKeyInfo`, as Java gives it."""
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def signature(key, digest):
    """Over the digest itself, as DER."""
    return key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))


class Misbehaving(Store):
    """A store that does something else in `call`, once `mischief` is set to a function in place of it."""

    def __init__(self, call):
        super().__init__()
        self._call = call
        self.mischief = None

    def generate(self, alias, user_verification, challenge):
        return self._either("generate", super().generate, alias, user_verification, challenge)

    def sign(self, alias, digest, user_verification):
        return self._either("sign", super().sign, alias, digest, user_verification)

    def delete(self, alias):
        return self._either("delete", super().delete, alias)

    def attest(self, alias, challenge):
        return self._either("attest", super().attest, alias, challenge)

    def _either(self, call, honest, *args):
        if call == self._call and self.mischief is not None:
            return self.mischief(honest, *args)
        return honest(*args)


def claim(**changes):
    """What the app says about the store, which is the truth here: keys in memory of this process."""
    told = {
        "tier": glacis.KeyTier.SOFTWARE,
        "verifies_user": False,
        "uniqueness": glacis.KeyUniqueness.NOTHING,
        "attests": False,
        **changes,
    }
    return glacis.KeyClaim(**told)


def platform(keys, deadline_ms=None, **changes):
    """A store for a client; with a deadline that a test can wait for, if one is given."""
    deadlines = None
    if deadline_ms is not None:
        deadlines = glacis.KeyDeadlines(alone_ms=deadline_ms, with_user_ms=deadline_ms)
    return glacis.PlatformStore(keys=keys, claim=claim(**changes), deadlines=deadlines)
