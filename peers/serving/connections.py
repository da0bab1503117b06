#!/usr/bin/env python3
"""What connections cost a server: many that idle, some that ask, some that send a byte a second, some that vanish.

    connections.py --listen 127.0.0.1:8470 --pid PID [--idle 10000] [--active 200] [--slow 500] [--vanishing 20] [--seconds 300]

Prints, every ten seconds, how many answers came, how long they took, the errors there were, and the server's resident
memory. Ends with 1 if there was an error, if an idle connection was closed before its time, or if memory grew by
more than a tenth after the first minute.

An idle connection asks once at the beginning, and again before the server's patience ends (--keep-alive). A slow one sends
a request's head byte by byte. One that vanishes asks for every miner's rows and closes in the middle of the answer.
"""

import argparse
import asyncio
import random
import resource
import socket
import sys
import time
from pathlib import Path

ENDPOINT = "/v2/storage_provider/sector/total"


class Tally:
    def __init__(self):
        self.answers, self.errors, self.taken, self.reasons = 0, 0, [], {}
        self.open, self.vanished, self.slow = 0, 0, 0

    def wrong(self, error):
        self.errors += 1
        reason = f"{type(error).__name__}: {error}"
        self.reasons[reason] = self.reasons.get(reason, 0) + 1


def request(path):
    return f"GET {path} HTTP/1.1\r\nhost: sectorscope.test\r\n\r\n".encode()


async def answer(reader):
    """Reads an answer; gives its status and how long its body was."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
    await reader.readexactly(length)
    return int(lines[0].split()[1]), length


async def ask(reader, writer, path):
    writer.write(request(path))
    await writer.drain()
    status, _ = await answer(reader)
    if status != 200:
        raise ValueError(f"status {status}")


async def idle(arguments, tally, until, at):
    await asyncio.sleep(at * arguments.ramp / max(arguments.idle, 1))
    try:
        reader, writer = await asyncio.open_connection(*arguments.listen, limit=1 << 16)
        tally.open += 1
        while True:
            await ask(reader, writer, f"{ENDPOINT}?miner_id=f0{1000 + at % 6000}")
            left = until - time.monotonic()
            if left <= 0:
                break
            # Nothing may come meanwhile, neither bytes nor the end.
            try:
                came = await asyncio.wait_for(reader.read(1), min(arguments.keep_alive * random.uniform(0.9, 1), left))
                raise ValueError(f"an idle connection got {came!r}")
            except asyncio.TimeoutError:
                continue
        writer.close()
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        tally.wrong(error)
    finally:
        tally.open -= 1


async def active(arguments, tally, until, at):
    await asyncio.sleep(arguments.ramp)
    try:
        reader, writer = await asyncio.open_connection(*arguments.listen, limit=1 << 22)
        while time.monotonic() < until:
            # One in fifty asks for everybody.
            everybody = random.random() < 0.02
            path = ENDPOINT if everybody else f"{ENDPOINT}?miner_id=f0{random.randint(1000, 6999)}"
            started = time.monotonic()
            await ask(reader, writer, path)
            tally.taken.append(time.monotonic() - started)
            tally.answers += 1
            await asyncio.sleep(arguments.pause)
        writer.close()
    except (OSError, ValueError, asyncio.IncompleteReadError) as error:
        tally.wrong(error)


async def slow(arguments, tally, until):
    """Sends a byte a second until the server has enough of it, and begins again."""
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection(*arguments.listen)
            for byte in request(ENDPOINT + "?x=" + "x" * 1000):
                if time.monotonic() >= until or reader.at_eof():
                    break
                writer.write(bytes([byte]))
                await asyncio.sleep(1)
            tally.slow += 1
            writer.close()
        except OSError:
            await asyncio.sleep(1)


async def vanishing(arguments, tally, until):
    """Asks for much and is gone before it has come."""
    while time.monotonic() < until:
        try:
            reader, writer = await asyncio.open_connection(*arguments.listen, limit=1 << 14)
            writer.write(request(ENDPOINT))
            await reader.read(1000)
            # A reset, not an orderly end.
            held = writer.get_extra_info("socket")
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()
            tally.vanished += 1
        except OSError as error:
            tally.wrong(error)
        await asyncio.sleep(0.5)


def memory(pid):
    """Resident memory of the server in MB, without what it maps of files."""
    if pid is None:
        return 0.0
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")) / 1024


async def report(arguments, tally, started, until):
    """Says every ten seconds how it goes; gives the memory after the first minute and the most after it."""
    after_a_minute, most = None, 0.0
    while time.monotonic() < until:
        await asyncio.sleep(min(10, max(0.1, until - time.monotonic())))
        taken, tally.taken = sorted(tally.taken), []
        at = time.monotonic() - started
        of = lambda part: taken[int((len(taken) - 1) * part)] * 1000 if taken else 0
        held = memory(arguments.pid)
        print(f"{at:5.0f} s: {tally.open} idle, {len(taken) / 10:,.0f} answers/s, median {of(0.5):.1f} ms, "
              f"p99 {of(0.99):.1f} ms, {tally.slow} slow given up, {tally.vanished} vanished, {tally.errors} errors, "
              f"{held:.1f} MB", flush=True)
        if at >= 60:
            after_a_minute = after_a_minute or held
            most = max(most, held)
    return after_a_minute, most


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", required=True, type=lambda text: (text.split(":")[0], int(text.split(":")[1])))
    parser.add_argument("--pid", type=int, help="the server's process, whose memory is watched")
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--active", type=int, default=200)
    parser.add_argument("--slow", type=int, default=0)
    parser.add_argument("--vanishing", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--ramp", type=float, default=10, help="seconds in which the idle ones connect")
    parser.add_argument("--keep-alive", type=float, default=25, help="seconds between an idle one's requests")
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between an active one's requests")
    arguments = parser.parse_args()
    needed = arguments.idle + arguments.active + arguments.slow + arguments.vanishing + 100
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and most < needed:
        sys.exit(f"{needed} open files are needed, and the system allows {most}: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, most))

    tally, started = Tally(), time.monotonic()
    until = started + arguments.seconds
    tasks = [idle(arguments, tally, until, at) for at in range(arguments.idle)]
    tasks += [active(arguments, tally, until, at) for at in range(arguments.active)]
    tasks += [slow(arguments, tally, until) for _ in range(arguments.slow)]
    tasks += [vanishing(arguments, tally, until) for _ in range(arguments.vanishing)]
    *_, (first, most) = await asyncio.gather(*tasks, report(arguments, tally, started, until))

    print(f"{tally.answers:,} answers, {tally.errors} errors {tally.reasons or ''}")
    grown = first is not None and first > 0 and most > first * 1.1
    if first:
        print(f"memory: {first:.1f} MB after a minute, {most:.1f} MB at most after it")
    sys.exit(1 if tally.errors or grown else 0)


if __name__ == "__main__":
    asyncio.run(main())
