"""The contract of key stores over a store written in Python, and what a store that fails or lies comes to."""

import hashlib
import tempfile
import threading
import unittest

import glacis
from cryptography.hazmat.primitives.asymmetric import ec
from keystore import Misbehaving, Store, platform, point, signature, spki
from town import Town


class ContractTest(unittest.TestCase):
    def test_a_store_in_python_keeps_the_contract_and_is_empty_afterwards(self):
        keys = Store()
        glacis.check_platform_keys(platform(keys, verifies_user=True))
        self.assertGreater(keys.calls.count("generate"), 10)
        self.assertGreater(keys.calls.count("sign"), 10)
        self.assertEqual(keys.keys, {})

    def test_it_keeps_it_with_keys_in_the_form_of_java(self):
        class Java(Store):
            def generate(self, alias, user_verification, challenge):
                super().generate(alias, user_verification, challenge)
                return spki(self.keys[alias][0])

        glacis.check_platform_keys(platform(Java(), verifies_user=True))

    def test_a_store_that_forgets_keys_or_signs_with_another_one_breaks_it(self):
        keys = Misbehaving("generate")

        def forgetful(honest, alias, *rest):
            told = honest(alias, *rest)
            del keys.keys[alias]
            return told

        keys.mischief = forgetful
        with self.assertRaises(glacis.InternalError):
            glacis.check_platform_keys(platform(keys, verifies_user=True))
        other = ec.generate_private_key(ec.SECP256R1())
        keys = Misbehaving("sign")
        keys.mischief = lambda honest, alias, digest, asks: signature(other, digest)
        with self.assertRaises(glacis.InternalError):
            glacis.check_platform_keys(platform(keys, verifies_user=True))


class HostileTest(unittest.TestCase):
    """A client whose platform misbehaves once it is enrolled: a typed error, no signature, and a client that works again
    when the platform does."""

    @classmethod
    def setUpClass(cls):
        cls.town = Town()

    @classmethod
    def tearDownClass(cls):
        cls.town.stop()

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="glacis-device-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def client(self, keys, name="device", deadline_ms=60_000, **claims):
        config = glacis.ClientConfig(
            folder=f"{self.folder}/{name}", key_set=self.town.key_set, authority=self.town.edge
        )
        client = glacis.Client.with_platform_keys(config, platform(keys, deadline_ms, **claims))
        self.addCleanup(client.shut)
        return client

    def enrolled(self, keys):
        client = self.client(keys)
        self.enrols(client)
        return client

    def enrols(self, client):
        glacis.drive(client.enrol(), glacis.Http(self.town.edge))

    def opens(self, client):
        return glacis.drive(client.open_session(), glacis.Http(self.town.edge))

    def fails(self, client, *codes):
        with self.assertRaises(glacis.GlacisError.Keys) as caught:
            self.opens(client)
        self.assertIn(caught.exception.code, codes)
        self.assertNotEqual(caught.exception.remedy, "")
        return caught.exception

    def test_what_it_raises_is_a_typed_error_whatever_it_is(self):
        def raises(error):
            def mischief(*_):
                raise error

            return mischief

        keys = Misbehaving("sign")
        client = self.enrolled(keys)
        for error, code in (
            (glacis.KeysError.Missing(), "keys-lost"),
            (glacis.KeysError.Refused(), "keys-refused"),
            (glacis.KeysError.Locked(), "keys-locked"),
            (glacis.KeysError.Unavailable(), "keys-unavailable"),
            (glacis.KeysError.Unsupported(), "keys-unsupported"),
            (glacis.KeysError.Failed("KeyStoreException: 7"), "keys-failed"),
            (RuntimeError("no such thing"), "keys-failed"),
            (MemoryError(), "keys-failed"),
            (ValueError("x" * 100_000), "keys-failed"),
        ):
            with self.subTest(repr(error)[:60]):
                keys.mischief = raises(error)
                self.assertLess(len(str(self.fails(client, code).because)), 2_000)
        keys.mischief = None
        self.assertTrue(self.opens(client).is_opened())

    def test_what_is_no_signature_of_this_key_never_leaves(self):
        other = ec.generate_private_key(ec.SECP256R1())
        wrong = hashlib.sha256(b"something else").digest()
        variants = {
            "another key": lambda honest, alias, digest, asks: signature(other, digest),
            "another digest": lambda honest, alias, digest, asks: honest(alias, wrong, asks),
            "nothing": lambda *_: b"",
            "zeros": lambda *_: bytes(64),
            "garbage": lambda *_: b"\x41" * 100_000,
            "cut": lambda honest, *args: honest(*args)[:-1],
            "longer": lambda honest, *args: honest(*args) + b"\x00",
        }
        keys = Misbehaving("sign")
        client = self.enrolled(keys)
        for name, mischief in variants.items():
            with self.subTest(name):
                keys.mischief = mischief
                self.fails(client, "keys-lied")
        keys.mischief = None
        self.assertTrue(self.opens(client).is_opened())

    def test_what_is_not_even_bytes_is_an_error(self):
        keys = Misbehaving("sign")
        client = self.enrolled(keys)
        for value in (None, "text", 7, [1, 2, 3], object()):
            with self.subTest(repr(value)):
                keys.mischief = lambda *_: value
                # A text is lowered as some bytes, which are no signature.
                self.fails(client, "keys-failed", "keys-lied")
        keys.mischief = None
        self.assertTrue(self.opens(client).is_opened())

    def test_one_that_blocks_beyond_its_deadline_is_given_up_and_costs_a_bounded_number_of_threads(self):
        gate = threading.Event()
        self.addCleanup(gate.set)
        keys = Misbehaving("sign")
        self.enrolled(keys).shut()
        client = self.client(keys, deadline_ms=300)

        def blocks(honest, *args):
            gate.wait()
            return honest(*args)

        keys.mischief = blocks
        for _ in range(4):
            self.fails(client, "keys-late")
        asked = keys.calls.count("sign")
        self.fails(client, "keys-busy")
        self.assertEqual(keys.calls.count("sign"), asked, "it is not asked any more")
        self.assertIsNotNone(client.status().enrolled, "the client itself is not stuck")
        gate.set()
        keys.mischief = None
        for _ in range(600):
            try:
                self.assertTrue(self.opens(client).is_opened())
                return
            except glacis.GlacisError.Keys as error:
                self.assertIn(error.code, ("keys-busy", "keys-late"), "until its threads have returned")
                threading.Event().wait(0.1)
        self.fail("the store stays busy after its calls returned")

    def test_one_that_calls_back_into_the_client_ends_in_an_error_and_not_in_a_deadlock(self):
        keys = Misbehaving("sign")
        self.enrolled(keys).shut()
        client = self.client(keys, deadline_ms=1_000)
        flow, told = client.open_session(), []

        def calls_back(honest, *args):
            for call in (client.status, client.open_session, flow.next):
                try:
                    call()
                except glacis.GlacisError as error:
                    told.append(error.code)
            return honest(*args)

        keys.mischief = calls_back
        with self.assertRaises(glacis.GlacisError.Keys) as caught:
            flow.next()
        self.assertEqual(caught.exception.code, "keys-late")
        keys.mischief = None
        self.assertEqual(told[:2], ["busy", "busy"])
        self.assertIsNotNone(client.status().enrolled)

    def test_a_public_key_that_is_none_makes_no_device(self):
        known = Store()
        known.generate("known", False, None)
        off_curve = bytearray(point(known.keys["known"][0]))
        off_curve[64] ^= 1
        variants = {
            "nothing": b"",
            "infinity": b"\x00",
            "compressed": b"\x02" + bytes(range(32)),
            "off the curve": bytes(off_curve),
            "garbage": b"\x04" * 1_000,
        }
        for name, told in variants.items():
            with self.subTest(name):
                keys = Misbehaving("generate")
                keys.mischief = lambda honest, *args: (honest(*args), told)[1]
                client = self.client(keys, name.replace(" ", "-"))
                with self.assertRaises(glacis.GlacisError.Keys) as caught:
                    self.enrols(client)
                self.assertEqual(caught.exception.code, "keys-lied")
                self.assertIsNone(client.status().enrolled)

    def test_a_platform_that_promised_evidence_and_has_none_does_not_enrol_as_software(self):
        client = self.client(Store(), attests=True)
        with self.assertRaises(glacis.GlacisError.Keys) as caught:
            self.enrols(client)
        self.assertEqual(caught.exception.code, "unattested")
        self.assertIsNone(client.status().enrolled)


if __name__ == "__main__":
    unittest.main()
