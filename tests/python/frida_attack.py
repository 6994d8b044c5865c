"""Attacks a process with Frida, as its users do; one mode a run.

usage: frida_attack.py attach  PID
       frida_attack.py hook    PID     FUNCTION
       frida_attack.py replace PID     FUNCTION
       frida_attack.py spawn   FUNCTION PROGRAM [ARGUMENT...]

FUNCTION is an address in decimal digits or the name of a symbol of the program. It takes and returns 32 bits;
hooked or in a spawned program it returns 1337, replaced it returns 1. Says `frida: <mode> <version>` on standard
error when the attack is in place, and goes on until it is told to end (SIGTERM): then Frida takes its helper and its
folder with it.
"""

import signal
import sys

import frida

TARGET = """
const name = %s;
const target = /^[0-9]+$/.test(name) ? ptr(name) : DebugSymbol.fromName(name).address;
"""
HOOK = TARGET + "Interceptor.attach(target, { onLeave(result) { result.replace(ptr(1337)); } });"
REPLACE = TARGET + "Interceptor.replace(target, new NativeCallback(() => 1, 'uint32', ['uint32']));"


def load(session, text, function):
    """Loads a script; an error in it is an error of ours."""
    script = session.create_script(text % repr(function))
    failed = []
    script.on("message", lambda message, _: failed.append(message) if message["type"] == "error" else None)
    script.load()
    if failed:
        sys.exit(f"frida: the script failed: {failed[0].get('description')}")
    return script


def main(mode, *rest):
    device = frida.get_local_device()
    if mode == "spawn":
        function, *argv = rest
        pid = device.spawn(argv)
        session = device.attach(pid)
        kept = load(session, HOOK, function)
        device.resume(pid)
    else:
        session = device.attach(int(rest[0]))
        scripts = {"attach": None, "hook": HOOK, "replace": REPLACE}
        text = scripts[mode]
        kept = text and load(session, text, rest[1])
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    print(f"frida: {mode} {frida.__version__}", file=sys.stderr, flush=True)
    signal.sigwait({signal.SIGTERM})
    del kept
    session.detach()
    frida.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
