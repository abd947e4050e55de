#!/usr/bin/python3
"""peer.py BEHAVIOUR [OPTIONS] PORT-FILE: one server on 127.0.0.1, as the HSM's may be; its port goes into the file.

tls       a handshake that requires the client's certificate, and then silence, as NTLS has it; with --together N it begins
          only when so many have connected
web       a handshake without, and an answer to one request; --ahead: its clock
silent    takes connections and says nothing
reset     breaks off when the first bytes have come; close: ends in order
text, http    what listens there is something else
alert     ends the handshake with alert --number
full      its queue of connections is full, so that the kernel answers nothing: a firewall that drops
"""
import argparse
import datetime
import os
import socket
import ssl
import struct
import sys
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("behaviour")
parser.add_argument("port_file")
parser.add_argument("--certificate")
parser.add_argument("--key")
parser.add_argument("--clients", help="the certificates that are registered")
parser.add_argument("--only", choices=["1.2", "1.3"])
parser.add_argument("--ciphers")
parser.add_argument("--number", type=int)
parser.add_argument("--ahead", type=int, default=0)
parser.add_argument("--together", type=int, default=1)
parser.add_argument("--log", help="a line for each connection")
asked = parser.parse_args()
together = threading.Barrier(asked.together)


def context_make():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(asked.certificate, asked.key)
    if asked.clients:
        context.load_verify_locations(asked.clients)
        context.verify_mode = ssl.CERT_REQUIRED
    if asked.only == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    if asked.only == "1.3":
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    if asked.ciphers:
        context.set_ciphers(asked.ciphers)
    return context


def serve(connection):
    behaviour = asked.behaviour
    if behaviour in ("tls", "web"):
        together.wait()
        connection = context_make().wrap_socket(connection, server_side=True)
        said = connection.recv(4096)
        if behaviour == "web" and said.startswith(b"HEAD / "):
            date = datetime.datetime.fromtimestamp(time.time() + asked.ahead, datetime.timezone.utc)
            stamp = date.strftime("%a, %d %b %Y %H:%M:%S GMT")
            connection.sendall(f"HTTP/1.1 404 Not Found\r\nDate: {stamp}\r\nContent-Length: 0\r\n\r\n".encode())
    elif behaviour == "silent":
        time.sleep(600)
    elif behaviour == "reset":
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    elif behaviour == "close":
        connection.recv(65536)
    elif behaviour == "text":
        connection.sendall(b"220 mail.example.com ESMTP\r\n")
        connection.recv(65536)
    elif behaviour == "http":
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    elif behaviour == "alert":
        connection.recv(65536)
        connection.sendall(bytes([0x15, 3, 3, 0, 2, 2, asked.number]))
        connection.recv(65536)
    connection.close()


def serve_quietly(connection):
    try:
        serve(connection)
    except (ssl.SSLError, OSError):
        connection.close()


listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", 0))
listener.listen(0 if asked.behaviour == "full" else 64)
port = listener.getsockname()[1]
fillers = []
if asked.behaviour == "full":
    for _ in range(8):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        fillers.append(filler)
    time.sleep(0.2)
with open(asked.port_file + ".new", "w", encoding="ascii") as out:
    out.write(f"{port}\n")
os.rename(asked.port_file + ".new", asked.port_file)
if asked.behaviour == "full":
    time.sleep(600)
    sys.exit()
while True:
    accepted, _ = listener.accept()
    if asked.log:
        with open(asked.log, "a", encoding="ascii") as log:
            log.write("connection\n")
    threading.Thread(target=serve_quietly, args=(accepted,), daemon=True).start()
