"""Follows jobs whose lines are the time they were written, and prints how old they are on arrival, as JSON.

A process of its own with next to nothing in it, so that what is measured is the server and not the one who measures.
"""
import json
import re
import selectors
import socket
import sys
import time

host, port, settle, *ids = sys.argv[1:]
selector = selectors.DefaultSelector()
for job in ids:
    connection = socket.create_connection((host, int(port)))
    connection.sendall(
        f"GET /jobs/{job}/stream?from_beginning=true HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    )
    connection.setblocking(False)
    selector.register(connection, selectors.EVENT_READ, [b"", job])
ages, begun, seen, over = [], set(), 0, 0
quiet_from = float("inf")
while over < len(ids):
    for key, _ in selector.select(1):
        piece = key.fileobj.recv(1 << 20)
        now = time.time()
        text = key.data[0] + piece
        for stamp in re.findall(rb'"type":"log","data":"([\d.]+)\\n"', text):
            seen += 1
            begun.add(key.data[1])
            if len(begun) == len(ids) and quiet_from == float("inf"):
                quiet_from = now + float(settle)
            if now >= quiet_from:
                ages.append((now - float(stamp)) * 1000)
        if b'"type":"complete"' in text or piece == b"":
            selector.unregister(key.fileobj)
            over += 1
        key.data[0] = text[text.rfind(b"\n") + 1:]
print(json.dumps({"seen": seen, "ages": ages}))
