"""The hand-written part: plain values become signals and actions, and what is none is refused."""

import unittest

import glacis


class ValuesTest(unittest.TestCase):
    def test_plain_values_become_signals(self):
        signal, value = glacis.signal, glacis.SignalValue
        self.assertEqual(signal(True), value.TRUTH(True))
        self.assertEqual(signal(1), value.INT(1))
        self.assertEqual(signal(-(2**63)), value.INT(-(2**63)))
        self.assertEqual(signal(1.5), value.DOUBLE(1.5))
        self.assertEqual(signal("linux"), value.TEXT("linux"))
        self.assertEqual(signal(b"\x00"), value.BYTES(b"\x00"))
        self.assertEqual(signal(["a", "b"]), value.TEXTS(["a", "b"]))
        self.assertEqual(signal(None), value.MISSING())
        self.assertEqual(signal(value.UINT(2**64 - 1)), value.UINT(2**64 - 1))
        for bad in (2**63, object(), {"a": 1}, [1, 2], [["a"]]):
            with self.assertRaises((TypeError, ValueError)):
                signal(bad)

    def test_an_action_takes_a_path_with_a_query(self):
        action = glacis.action("a.b", "GET", "/x?y=1?z", headers={"accept": "text/plain"}, said={"n": 3})
        request = action.request
        self.assertEqual((request.path, request.query, request.body), ("/x", "?y=1?z", b""))
        self.assertEqual([(h.name, h.value) for h in request.headers], [("accept", "text/plain")])
        self.assertEqual(action.said, {"n": glacis.SignalValue.INT(3)})
        self.assertEqual(glacis.action("a.b", "GET", "/x").request.query, "")


if __name__ == "__main__":
    unittest.main()
