"""Verifiers of PyPI on the evidence that comes in as JSON; their CPU time goes out as JSON.

pyattest asks the clock whether a certificate is in its time, and the evidence is old: the moment is handed to the
validator that it builds. Nothing else of it is changed.
"""

import asyncio
import base64
import datetime
import importlib.metadata
import json
import statistics
import sys
import time

import pyattest.verifiers.apple_attestation as apple
import webauthn
from pyattest.attestation import Attestation
from pyattest.configs.apple import AppleConfig
from pyhanko_certvalidator import ValidationContext

ROUNDS, CALLS = 11, 20


def median_us(call):
    def once():
        began = time.thread_time()
        for _ in range(CALLS):
            call()
        return (time.thread_time() - began) * 1e6 / CALLS

    once()
    return statistics.median(once() for _ in range(ROUNDS))


def security_key(asked):
    challenge = base64.urlsafe_b64decode(asked["challenge"] + "==")
    credential = json.dumps(asked["credential"])

    def call():
        webauthn.verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=asked["site"],
            expected_origin=asked["origin"],
        )

    return median_us(call)


def phone(asked):
    moment = datetime.datetime.fromtimestamp(asked["at"], datetime.timezone.utc)
    apple.ValidationContext = lambda **given: ValidationContext(moment=moment, **given)
    raw, challenge, key_id = (bytes.fromhex(asked[name]) for name in ("attestation", "challenge", "key_id"))
    config = AppleConfig(key_id=key_id, app_id=asked["app"], production=False)
    loop = asyncio.new_event_loop()

    def call():
        attestation = Attestation(raw, challenge, config)
        loop.run_until_complete(attestation.verify())
        assert attestation.verified

    return median_us(call)


asked = json.load(sys.stdin)
measured = {
    name: {"us": measure(asked[name]), "version": importlib.metadata.version(name)}
    for name, measure in {"webauthn": security_key, "pyattest": phone}.items()
}
json.dump(measured, sys.stdout)
