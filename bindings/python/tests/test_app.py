"""A program outside the workspace against a running installation: enrol, act, be refused, and be believed or not."""

import copy
import os
import pathlib
import subprocess
import sys
import threading
import unittest

import glacis
from keystore import Store, platform
from town import Town

EVENT = "payment.transfer"


def transfer(amount, **more):
    body = b'{"amount":%d}' % amount
    fields = {"content-type": "application/json"}
    return glacis.action(EVENT, "POST", "/transfers", headers=fields, body=body, **more)


def changed(request, **fields):
    """A copy of what was signed, with other fields."""
    other = copy.copy(request)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def approves(prompt):
    assert prompt.method == glacis.Method.PASSKEY
    return glacis.Reply.APPROVED()


class Recorder:
    """A transport that remembers what it sent, and can be told to send something else."""

    def __init__(self, edge):
        self._edge = glacis.Http(edge)
        self.sent = []
        self.change = lambda request: request

    def exchange(self, request):
        self.sent.append(request)
        return self._edge.exchange(self.change(request))


class AppTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.town = Town()

    @classmethod
    def tearDownClass(cls):
        cls.town.stop()

    def setUp(self):
        self.edge = Recorder(self.town.edge)
        self.town.upstream.seen.clear()

    def config(self, **changes):
        told = {"folder": self.town.folder(self.id()), "key_set": self.town.key_set, "authority": self.town.edge}
        return glacis.ClientConfig(**{**told, **changes})

    def client(self, keys=None):
        if keys is None:
            return glacis.Client.with_software_keys(self.config())
        return glacis.Client.with_platform_keys(self.config(), platform(keys))

    def enrolled(self, keys=None):
        client = self.client(keys)
        self.assertIsNone(client.status().enrolled)
        ended = glacis.drive(client.enrol(), self.edge)
        self.assertEqual((ended.appraised.tier, ended.appraised.trust), ("software", "claimed"))
        self.assertEqual(client.status().enrolled.appraised, ended.appraised)
        self.assertIsNotNone(glacis.drive(client.pull(), self.edge).newer)
        return client

    def test_it_enrols_opens_a_session_and_its_request_reaches_the_service(self):
        client = self.enrolled()
        self.assertTrue(glacis.drive(client.open_session(), self.edge).is_opened())
        before = len(self.edge.sent)
        outcome = glacis.decide(client.act(transfer(10)), self.edge)
        self.assertTrue(outcome.verdict.is_allow())
        self.assertFalse(outcome.on_device)
        self.assertEqual(outcome.response.body, b"carried")
        self.assertEqual(len(self.edge.sent) - before, 1, "the session was open")
        ((path, body, headers),) = self.town.upstream.seen
        self.assertEqual((path, body), ("/transfers", b'{"amount":10}'))
        self.assertIn("glacis-decision", {name.lower() for name in headers})

    def test_its_enrolment_outlives_the_program(self):
        client = self.enrolled()
        device = client.status().enrolled.appraised.device
        client.shut()
        client = self.client()
        self.assertEqual(client.status().enrolled.appraised.device, device)
        self.assertTrue(glacis.decide(client.act(transfer(11)), self.edge).verdict.is_allow())

    def test_a_body_that_is_changed_after_it_was_signed_is_refused(self):
        client = self.enrolled()
        glacis.drive(client.open_session(), self.edge)
        self.edge.change = lambda request: changed(request, body=b'{"amount":99}')
        with self.assertRaises(glacis.GlacisError.Refused) as caught:
            glacis.decide(client.act(transfer(10)), self.edge)
        self.assertEqual(caught.exception.code, "digest-mismatch")
        self.assertIn("exactly as the flow gave it", caught.exception.remedy)
        self.assertEqual(self.town.upstream.seen, [], "nothing reached the service")
        self.edge.change = lambda request: request
        self.assertTrue(glacis.decide(client.act(transfer(10)), self.edge).verdict.is_allow())

    def test_what_else_is_changed_or_sent_twice_is_refused(self):
        def path(request):
            return changed(request, query="?to=me")

        def without_signature(request):
            kept = [header for header in request.headers if not header.name.startswith("signature")]
            return changed(request, headers=kept)

        def of_another_action(request):
            return changed(request, headers=kept.headers)

        client = self.enrolled()
        glacis.drive(client.open_session(), self.edge)
        glacis.decide(client.act(transfer(10)), self.edge)
        kept = self.edge.sent[-1]
        self.assertEqual(glacis.Http(self.town.edge).exchange(kept).status, 401, "a replay")
        for change in (path, without_signature, of_another_action):
            with self.subTest(change.__name__):
                self.edge.change = change
                with self.assertRaises(glacis.GlacisError.Refused) as caught:
                    glacis.decide(client.act(transfer(10)), self.edge)
                self.assertNotEqual(caught.exception.code, "")
        self.assertEqual(self.town.amounts(), [10])

    def test_a_challenge_is_passed_by_the_users_approval_and_stands_without_it(self):
        client = self.enrolled()
        outcome = glacis.decide(client.act(transfer(5_000)), self.edge)
        self.assertTrue(outcome.verdict.is_challenge())
        self.assertEqual(outcome.verdict.method, glacis.Method.PASSKEY)
        self.assertEqual(self.town.amounts(), [])
        outcome = glacis.decide(client.act(transfer(5_000)), self.edge, approves)
        self.assertTrue(outcome.verdict.is_allow())
        outcome = glacis.decide(client.act(transfer(500_000)), self.edge, approves)
        self.assertTrue(outcome.verdict.is_block())
        self.assertEqual(len(outcome.reference), 12)
        self.assertEqual(self.town.amounts(), [5_000])

    def test_a_signal_that_the_app_states_blocks_on_the_device_and_is_reported(self):
        client = self.enrolled()
        before = len(self.edge.sent)
        outcome = glacis.decide(client.act(transfer(10, signals={"app.hooked": True})), self.edge)
        self.assertTrue(outcome.verdict.is_block() and outcome.on_device)
        self.assertIsNone(outcome.reference)
        self.assertEqual(len(self.edge.sent), before, "nothing was sent")
        self.assertEqual(client.status().records, 1)
        self.assertEqual(glacis.drive(client.report(), self.edge).records, 1)
        self.assertIsNone(client.report(), "there is nothing more")
        clear = glacis.decide(client.act(transfer(10, signals={"app.hooked": False})), self.edge)
        self.assertTrue(clear.verdict.is_allow())

    def test_the_same_with_keys_of_a_platform_written_in_python(self):
        keys = Store()
        client = self.enrolled(keys)
        self.assertTrue(glacis.decide(client.act(transfer(12)), self.edge).verdict.is_allow())
        self.assertTrue(glacis.decide(client.act(transfer(5_000)), self.edge, approves).verdict.is_allow())
        self.assertEqual(self.town.amounts(), [12, 5_000])
        self.assertIn("sign", keys.calls)
        client.shut()
        with self.assertRaises(glacis.GlacisError.Keys) as caught:
            self.client()
        self.assertEqual(caught.exception.code, "keys-other-store")
        again = self.client(keys)
        self.assertTrue(glacis.decide(again.act(transfer(13)), self.edge).verdict.is_allow())

    def test_an_edge_that_is_not_there_ends_in_an_error(self):
        client = self.enrolled()
        nowhere = Recorder("127.0.0.1:9")
        with self.assertRaises(glacis.GlacisError.Undecided) as caught:
            glacis.decide(client.act(transfer(10)), nowhere)
        self.assertEqual(caught.exception.code, "unreachable")
        self.assertTrue(glacis.decide(client.act(transfer(10)), self.edge).verdict.is_allow())

    def test_an_answer_that_somebody_else_made_is_no_allow(self):
        class Liar:
            def exchange(self, request):
                return glacis.HttpResponse(status=200, headers=[], body=b"carried")

        client = self.enrolled()
        glacis.drive(client.open_session(), self.edge)
        with self.assertRaises(glacis.GlacisError.Undecided) as caught:
            glacis.decide(client.act(transfer(10)), Liar())
        self.assertEqual(caught.exception.code, "unverifiable")

    def test_a_transport_that_raises_leaves_the_client_free(self):
        class Broken:
            def exchange(self, request):
                raise RuntimeError("out of cheese")

        client = self.enrolled()
        with self.assertRaisesRegex(RuntimeError, "cheese"):
            glacis.decide(client.act(transfer(10)), Broken())
        self.assertTrue(glacis.decide(client.act(transfer(10)), self.edge).verdict.is_allow())

    def test_another_installations_key_set_believes_nothing_of_this_one(self):
        other = self.town.folder("other-keys")
        self.town.glacis("keys", "make", "--dir", other, "--tenant", "acme", "--realm", "production")
        key_set = self.town.glacis("keys", "export", "--raw", "--dir", other)
        client = glacis.Client.with_software_keys(self.config(key_set=key_set))
        with self.assertRaises(glacis.GlacisError.Undecided) as caught:
            glacis.drive(client.enrol(), self.edge)
        self.assertEqual(caught.exception.code, "unverifiable")
        self.assertIsNone(client.status().enrolled)

    def test_the_guides_do_what_they_say(self):
        documents = [pathlib.Path(name) for name in os.environ["GLACIS_GUIDES"].split(os.pathsep)]
        self.assertEqual(len(documents), 2)
        for number, document in enumerate(documents):
            with self.subTest(document.name):
                (program,) = [part.split("```")[0] for part in document.read_text().split("```python\n")[1:]]
                folder = self.town.path / f"guide-{number}"
                folder.mkdir()
                (folder / "key-set.bin").write_bytes(self.town.key_set)
                self.assertEqual(program.count("127.0.0.1:8080"), 2)
                program = program.replace("127.0.0.1:8080", self.town.edge)
                for _ in range(2):
                    done = subprocess.run(
                        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False
                    )
                    self.assertEqual((done.returncode, done.stderr), (0, ""))
                    self.assertIn("carried", done.stdout)
        self.assertEqual(self.town.amounts(), [10] * 4)

    def test_threads_share_a_client_one_flow_at_a_time(self):
        client = self.enrolled()
        glacis.drive(client.open_session(), self.edge)
        allowed, busy = [], []

        def act(amount):
            while True:
                try:
                    flow = client.act(transfer(amount))
                except glacis.GlacisError.Setup as error:
                    busy.append(error.code)
                    continue
                allowed.append(glacis.decide(flow, glacis.Http(self.town.edge)).verdict.is_allow())
                return

        threads = [threading.Thread(target=act, args=(amount,)) for amount in range(1, 5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(allowed, [True] * 4)
        self.assertEqual(sorted(self.town.amounts()), [1, 2, 3, 4])
        self.assertLessEqual(set(busy), {"busy"})


if __name__ == "__main__":
    unittest.main()
