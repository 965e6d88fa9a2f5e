# Listens on the Unix datagram socket that is named first, as a service manager does, and prints what comes: the words of each message
# on one line. Node has no such sockets. A descriptor that comes along is closed: that is what its sender waits for.
import array
import os
import socket
import sys

listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1])
print("listening", flush=True)
while True:
    words, ancillary, _, _ = listener.recvmsg(4096, 1024)
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            for descriptor in array.array("i", data[: len(data) - len(data) % 4]):
                os.close(descriptor)
    print(words.decode().strip().replace("\n", " "), flush=True)
