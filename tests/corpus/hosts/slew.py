"""Makes the kernel run its clock at another speed, there and back again, as a time service does; needs the right to.

Never more than 10 ms away from where the clock was. Killed on the way there it leaves that; which way it goes first
is drawn by lot, so that many such ends cancel out.
"""

import ctypes
import random
import sys
import time


class Timeval(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("micros", ctypes.c_long)]


libc = ctypes.CDLL(None, use_errno=True)


def slew(micros):
    seconds, micros = divmod(micros, 1_000_000)
    if libc.adjtime(ctypes.byref(Timeval(seconds, micros)), None) != 0:
        sys.exit(f"adjtime: error {ctypes.get_errno()}")


step = random.choice((10_000, -10_000))
while True:
    slew(step)
    print("slewing", flush=True)
    # The kernel works off 0.5 ms a second.
    time.sleep(20)
    step = -step
