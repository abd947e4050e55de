#!/usr/bin/env python3
"""Runs a command, holds it and its worker while the worker takes foreign bytes apart, and looks for secrets in both.

  workers.py WORKER COMMAND...

A secret is "planted-in-" and a word.  Prints one line for each of the two: its name, "environment N", bytes, "reads N",
files and directories that it has open, and the words of what its environment, arguments and memory hold; then what a
process with the worker's rights finds of the command's.  Then it has seen enough and kills them; 98 where no worker was met.
"""
import contextlib
import os
import re
import signal
import stat
import subprocess
import sys
import time

SECRET = re.compile(rb'planted-in-([a-z]+)')
# What a sanitizer maps to keep its books in is larger than all that a program has.
BOOKS = 1 << 26


def content(path):
    with open(path, 'rb') as file:
        return file.read()


def children(pid):
    return [int(child) for task in os.listdir(f'/proc/{pid}/task') for child in content(f'/proc/{pid}/task/{task}/children').split()]


def worker_of(pid, name):
    """The pid of the worker that the command, or a child of it, has started, and that of who started it."""
    for child in children(pid):
        if content(f'/proc/{child}/comm').strip().decode() == name[:15]:
            return child, pid
        below = worker_of(child, name)
        if below:
            return below
    return None


def settles(worker):
    """Has it given up root, and does it wait for something?  It does not just open a file, then."""
    for _ in range(100):
        status = content(f'/proc/{worker}/status')
        if b'Uid:\t0' not in status and b'State:\tS' in status:
            return True
        time.sleep(0.005)
    return False


def held(pid):
    os.kill(pid, signal.SIGSTOP)
    state = b'R'
    while state != b'T':
        state = content(f'/proc/{pid}/stat').rpartition(b')')[2].split()[0]
        if state in b'ZX':
            raise ProcessLookupError(pid)
        time.sleep(0.001)


def memory(pid):
    with open(f'/proc/{pid}/mem', 'rb', 0) as file:
        for line in content(f'/proc/{pid}/maps').decode().splitlines():
            start, end = (int(word, 16) for word in line.split()[0].split('-'))
            if line.split()[1][0] != 'r' or 'OKV_SANITIZED' in os.environ and end - start > BOOKS:
                continue
            try:
                file.seek(start)
                yield file.read(end - start)
            except (OSError, ValueError, OverflowError):
                # What belongs to the kernel.
                continue


def opened(pid):
    """Regular files and directories among its descriptors."""
    modes = [os.stat(f'/proc/{pid}/fd/{fd}').st_mode for fd in os.listdir(f'/proc/{pid}/fd')]
    return sum(stat.S_ISREG(mode) or stat.S_ISDIR(mode) for mode in modes)


def seen(pid):
    found = set()
    for bytes_ in (content(f'/proc/{pid}/environ'), content(f'/proc/{pid}/cmdline'), *memory(pid)):
        found |= {word.decode() for word in SECRET.findall(bytes_)}
    return f'environment {len(content(f"/proc/{pid}/environ"))} reads {opened(pid)} ' + ' '.join(sorted(found))


def stranger(worker, command):
    """The number of the command's files in /proc that somebody with the worker's ids may open."""
    ids = [int(word) for word in re.search(rb'^Uid:.*?(\d+)\nGid:.*?(\d+)$', content(f'/proc/{worker}/status'), re.M).groups()]
    reader = os.fork()
    if reader == 0:
        os.setgroups([])
        os.setgid(ids[1])
        os.setuid(ids[0])
        os._exit(sum(os.access(f'/proc/{pid}/{file}', os.R_OK) and readable(f'/proc/{pid}/{file}')
                     for pid in (worker, command) for file in ('environ', 'mem', 'maps')))
    return os.waitstatus_to_exitcode(os.waitpid(reader, 0)[1])


def readable(path):
    try:
        with open(path, 'rb', 0):
            return True
    except OSError:
        return False


def meet(process, name):
    """The worker, held while it is at work, and who started it, held so that the worker has to wait for it sooner or later."""
    while process.poll() is None:
        try:
            found = worker_of(process.pid, name)
            if found:
                held(found[1])
                if settles(found[0]):
                    held(found[0])
                    return found
                os.kill(found[1], signal.SIGCONT)
        except (FileNotFoundError, ProcessLookupError):
            pass
        time.sleep(0.005)
    return None


def main():
    name, *command = sys.argv[1:]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        met = meet(process, name)
        if met:
            worker, starter = met
            print(f'{os.path.basename(command[0])}: {seen(starter)}')
            print(f'{name}: {seen(worker)}')
            print(f'stranger: {stranger(worker, starter)}')
            process.kill()
            # The worker dies with who started it, be it that soon.
            for pid in (worker, starter):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
    sys.exit(0 if met else 98)


main()
