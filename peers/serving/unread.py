#!/usr/bin/env python3
"""What answers that nobody takes cost a server, and those who read beside them.

    unread.py --program target/release/sectorscope --data DIR [--unread 400] [--seconds 20] [--from-reader] [--option …]

Serves DIR publicly, without a limit on rates. Readers ask for small and middling answers for a while, alone. Then so many
connections ask for the largest answers there are (all formats and codings in turn, the oldest days first) and read nothing, and
readers ask again. Connections that are closed are opened anew. Prints the memory of the server when it idles, its most,
and the readers' answers a second in both spans, for each kind of answer. Those who read nothing come from 127.0.0.2 and the readers from
127.0.0.1, unless --from-reader has both come from the same.
"""

import argparse
import multiprocessing
import selectors
import socket
import subprocess
import sys
import time
from pathlib import Path

FORMATS = ["json", "csv", "ndjson", "parquet", "arrow"]
CODINGS = ["identity", "zstd", "br", "gzip"]
READS = {
    "one provider's day (/v2)": "/v2/storage_provider/sector/total?miner_id={miner}",
    "all providers' day (/v2)": "/v2/storage_provider/sector/total",
    "a provider's month (/v1)": "/v1/sectors/daily?miner={miner}&from=-30d&columns=total_num_sector",
}


def request(path, more=""):
    return f"GET {path} HTTP/1.1\r\nhost: x\r\n{more}\r\n".encode()


def take(stream, buffered):
    """Reads an answer; gives its status and what came after it."""
    while b"\r\n\r\n" not in buffered:
        came = stream.recv(1 << 18)
        if not came:
            raise OSError("closed")
        buffered += came
    head, _, rest = buffered.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    length = next((int(line.split(":")[1]) for line in lines if line.startswith("content-length:")), None)
    if length is None:
        while not rest.endswith(b"0\r\n\r\n"):
            rest += stream.recv(1 << 18)
        return int(lines[0].split()[1]), b""
    while len(rest) < length:
        rest += stream.recv(1 << 18)
    return int(lines[0].split()[1]), rest[length:]


def read(address, path, seconds, outcome):
    """Asks again and again on one connection; puts how often there was an answer, and how often none of rows."""
    stream = socket.create_connection(address)
    answers, refused, buffered = 0, 0, b""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        stream.sendall(request(path))
        status, buffered = take(stream, buffered)
        answers, refused = answers + (status == 200), refused + (status != 200)
    outcome.put((answers, refused))


def readers(address, paths, seconds, beside):
    """Answers a second of each kind, four connections at a time."""
    rates = {}
    for name, path in paths.items():
        outcome = multiprocessing.Queue()
        tasks = [multiprocessing.Process(target=read, args=(address, path, seconds, outcome)) for _ in range(4)]
        for task in tasks:
            task.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            beside()
            time.sleep(0.05)
        for task in tasks:
            task.join()
        answers, refused = map(sum, zip(*(outcome.get() for _ in tasks)))
        rates[name] = answers / seconds
        if refused:
            print(f"{name}: {refused} were refused")
    return rates


class Unread:
    """Connections that ask and read nothing."""

    def __init__(self, address, source, paths, most):
        self.address, self.source, self.paths, self.most = address, source, paths, most
        self.open, self.asked, self.selector = set(), 0, selectors.DefaultSelector()

    def refill(self):
        for key, _ in self.selector.select(0):
            # What has come stays unread, but an end does not: look without taking.
            try:
                over = not key.fileobj.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            except OSError:
                over = True
            if over or key.data < time.monotonic() - 60:
                self.selector.unregister(key.fileobj)
                self.open.discard(key.fileobj)
                key.fileobj.close()
        while len(self.open) < self.most:
            stream = socket.socket()
            # A client that does not read has no reason to have room for much.
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stream.bind((self.source, 0))
            stream.connect(self.address)
            path, coding = self.paths[self.asked % len(self.paths)], CODINGS[self.asked // 7 % len(CODINGS)]
            stream.sendall(request(path, f"accept-encoding: {coding}\r\n"))
            self.asked += 1
            self.open.add(stream)
            self.selector.register(stream, selectors.EVENT_READ, time.monotonic())


def memory(pid):
    """Resident memory of a process in MB, now and the most there was."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    of = lambda name: next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024
    return of("VmRSS:"), of("VmHWM:")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--unread", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=10, help="how long each kind of answer is read")
    parser.add_argument("--from-reader", action="store_true", help="all come from one address")
    parser.add_argument("--option", action="append", default=[], help="more for `serve`, such as --option=--unsent-memory=32")
    arguments = parser.parse_args()
    options = ["serve", "--data", arguments.data, "--listen", "0.0.0.0:0", "--public", "--address-rate", "off"]
    server = subprocess.Popen([arguments.program, *options, *arguments.option], stdout=subprocess.PIPE, text=True)
    try:
        address = ("127.0.0.1", int(server.stdout.readline().rsplit(":", 1)[1]))
        probe = socket.create_connection(address)
        probe.sendall(request("/v1/sectors/daily?limit=1&columns=total_num_sector&format=csv", "connection: close\r\n"))
        text = b"".join(iter(lambda: probe.recv(1 << 16), b"")).decode()
        day, miner, _ = text.rstrip().rsplit("\n", 1)[1].split(",")
        first = "2000-01-01"
        largest = [f"/v1/sectors/daily?from={first}&to={day}&limit=10000&format={of}" for of in FORMATS]
        paths = {name: path.format(miner=miner) for name, path in READS.items()}
        readers(address, paths, 1, lambda: None)
        time.sleep(1)
        idle, _ = memory(server.pid)
        alone = readers(address, paths, arguments.seconds, lambda: None)
        unread = Unread(address, "127.0.0.1" if arguments.from_reader else "127.0.0.2", largest, arguments.unread)
        unread.refill()
        time.sleep(2)
        beside = readers(address, paths, arguments.seconds, unread.refill)
        held, most = memory(server.pid)
        for name in paths:
            print(f"{name}: {alone[name]:,.0f} a second alone, {beside[name]:,.0f} beside {len(unread.open)} unread "
                  f"({beside[name] / alone[name]:.2f})")
        print(f"memory: {idle:.0f} MB idle, {held:.0f} MB at the end, {most:.0f} MB at most; {unread.asked} were asked unread")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    sys.exit(main())
