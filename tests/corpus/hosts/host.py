"""CPython that loads the sensors with ctypes, makes callbacks (which are small pieces of code), threads and children."""

import ctypes
import subprocess
import sys
import threading
import time

library = ctypes.CDLL(sys.argv[1])
# libffi keeps callbacks in memory that no file backs: as much as a just-in-time compiler.
library.glacis_corpus_start(ctypes.c_int(1))
libc = ctypes.CDLL(None)
COMPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))


def turn():
    kept = []
    while True:
        compare = COMPARE(lambda a, b: a[0] - b[0])
        kept = kept[-200:] + [compare]
        numbers = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
        libc.qsort(numbers, len(numbers), ctypes.sizeof(ctypes.c_int), compare)
        if list(numbers) != [1, 2, 3, 4, 5]:
            raise SystemExit("the callback is broken")
        time.sleep(0.01)


threading.Thread(target=turn, daemon=True).start()
while True:
    subprocess.run([sys.executable, "-c", ""], check=True, stdin=subprocess.DEVNULL)
    time.sleep(0.5)
