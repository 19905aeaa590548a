# compute.py CONTROL : computes for ever, in bytecode, while a second thread answers.
#   progress   {"steps"}            how far it is
#   finish     {"steps","state"}    ends the computation; `state` follows from `steps` alone
import json
import os
import socket
import sys
import threading

steps = 0
state = 1
wanted = threading.Event()
finished = threading.Event()


def numbers():
    """The computation, as a generator: its frame is suspended and resumed at every step."""
    x = 1
    while True:
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        yield x


def compute():
    global steps, state
    for state in numbers():
        steps += 1
        if wanted.is_set():
            break
    finished.set()


def answer(question):
    if question == "pid":
        return {"pid": os.getpid()}
    if question == "progress":
        return {"steps": steps}
    if question == "finish":
        wanted.set()
        finished.wait()
        return {"steps": steps, "state": state}
    return {"error": "unknown request"}


def serve(path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(8)
    while True:
        peer, _ = listener.accept()
        with peer:
            question = peer.makefile().readline().strip()
            peer.sendall((json.dumps(answer(question)) + "\n").encode())


threading.Thread(target=compute, daemon=True).start()
serve(sys.argv[1])
