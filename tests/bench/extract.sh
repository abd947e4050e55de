#!/bin/sh
# extract beside the extractors that it replaces.  Sides take turns, each into a new directory after a sync; the ratio
# is that of the medians.  Ours judges, digests and syncs to the disk meanwhile; so the peer with the same guarantee is the
# extractor, then sync -f, then sha256sum of every file.  The bare extractors are told beside it.
# RUNS: how often each is run (default 9).  All is on a file system of its own, in a file of up to 4 GB in TMPDIR: on one
# that others use, ext4 spends more time than all the rest on inodes that they have freed.
set -u
exec python3 - "$BUILD/libexec/okv-luna-extract" "${RUNS:-9}" <<'END'
import contextlib
import glob
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

binary, runs = sys.argv[1], int(sys.argv[2])
TOP = 'LunaClient-Minimal-10.4.0-417.x86_64'
PROVEN = 'sh -c "%s && sync -f TO && find TO -type f -exec sha256sum {} + >/dev/null"'
TAR, BSDTAR = 'tar -C TO -xzf ARCHIVE', 'bsdtar -C TO -xf ARCHIVE'
# No file of a client is larger than some megabytes; a compiler's or a browser's library would be all of its archive.
LIBRARIES = sorted(path for path in glob.glob('/usr/lib/x86_64-linux-gnu/*.so*') + glob.glob('/usr/lib64/*.so*')
                   if os.path.isfile(path) and not os.path.islink(path) and os.path.getsize(path) <= 16 << 20)


def library(directory):
    """A library by that name, and its other name."""
    os.makedirs(f'{directory}/{TOP}/libs/64')
    for path in LIBRARIES:
        with open(path, 'rb') as file:
            if file.read(5) == b'\x7fELF\x02':
                break
    shutil.copyfile(path, f'{directory}/{TOP}/libs/64/libCryptoki2.so')
    os.symlink('libCryptoki2.so', f'{directory}/{TOP}/libs/64/libCryptoki2_64.so')


def small(directory, count):
    """Many files of some hundred bytes to some thousand, as documentation and samples are."""
    library(directory)
    words = 'slot token partition certificate session handle C_Initialize libCryptoki2_64.so return status'.split()
    chance = random.Random(1)
    for number in range(count):
        if number % 40 == 0:
            part = f'{directory}/{TOP}/jsp/part-{number // 40:04d}'
            os.makedirs(part)
        with open(f'{part}/file-{number:05d}.txt', 'w') as file:
            file.write(' '.join(chance.choices(words, k=chance.randrange(20, 400))) + f' {number}\n')


def large(directory, size):
    """Programs and libraries, as a client has them: real ones, until it is that large."""
    library(directory)
    os.makedirs(f'{directory}/{TOP}/bin/64')
    have, number = 0, 0
    sources = [path for path in LIBRARIES if os.path.getsize(path) >= 100 << 10]
    while have < size:
        source = sources[number % len(sources)]
        part = 'bin' if number % 3 else 'libs'
        shutil.copyfile(source, f'{directory}/{TOP}/{part}/64/part-{number:04d}.so')
        have += os.path.getsize(source)
        number += 1


def seconds(command):
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.exit(f'{command} ended with {done.returncode}: {done.stderr.decode()}')
    return time.perf_counter() - started


@contextlib.contextmanager
def own_file_system():
    """An ext4 that nobody else uses; where none can be mounted, a directory, which is said."""
    with tempfile.TemporaryDirectory() as place:
        image, mount = f'{place}/image', f'{place}/mount'
        os.mkdir(mount)
        with open(image, 'wb') as file:
            file.truncate(12 << 30)
        quiet = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL, 'check': False}
        subprocess.run(['mkfs.ext4', '-q', '-F', '-N', '2000000', image], **quiet)
        if subprocess.run(['mount', '-o', 'loop', image, mount], **quiet).returncode != 0:
            print('(no file system of its own could be mounted: whatever others remove meanwhile counts, too)')
            yield os.path.realpath(mount)
            return
        try:
            yield os.path.realpath(mount)
        finally:
            subprocess.run(['umount', '-l', mount], check=True)


def fresh():
    """
    A directory that nothing was in, all before it synced.  Nothing is removed while times are taken: ext4 looks over
    every inode that was freed in the last five seconds before it takes one, which then is most of the time.
    """
    root = tempfile.mkdtemp(prefix='to-', dir=scratch)
    os.mkdir(f'{root}/etc')
    os.sync()
    return root


def row(what, ours, peer, ratio, target, fine):
    print(f'{what}\t{ours}\t{peer}\t{ratio}\t{target}\t{"ok" if fine else "miss"}', flush=True)


def compare(what, archive, peers):
    times = {name: [] for name in ['ours', *peers]}
    for _ in range(runs):
        for name in times:
            root = fresh()
            command = [binary, '--root', root, '-q', archive] if name == 'ours' else [
                'sh', '-c', 'exec ' + peers[name][0].replace('ARCHIVE', archive).replace('TO', root)]
            times[name].append(seconds(command))
    for path in glob.glob(f'{scratch}/to-*'):
        shutil.rmtree(path)
    time.sleep(6)
    mine = statistics.median(times['ours'])
    for name, (_, target) in peers.items():
        theirs = statistics.median(times[name])
        if target is None:
            print(f'({what}: {name} takes {theirs * 1000:.0f} ms, ratio {mine / theirs:.2f}, no target)', flush=True)
        else:
            row(f'{what}, {name}', f'{mine * 1000:.0f} ms', f'{theirs * 1000:.0f} ms', f'{mine / theirs:.2f}',
                f'<= {target}', mine / theirs <= target)


def proportional(pids):
    """Memory of all of them together, what they share counted once; and of the largest."""
    sizes = []
    for pid in pids:
        try:
            with open(f'/proc/{pid}/smaps_rollup') as file:
                sizes.append(next(int(line.split()[1]) for line in file if line.startswith('Pss:')))
        except (OSError, StopIteration):
            pass
    return (sum(sizes), max(sizes)) if sizes else (0, 0)


def memory(what, archive, target_mb, window_mb=0):
    """`window_mb`: what the packer has chosen to look back; whoever unpacks that has to keep it at hand."""
    allowed = target_mb + window_mb
    target = f'<= {target_mb} MB' + (f' and the window of {window_mb} MB' if window_mb else '')
    root = fresh()
    child = subprocess.Popen([binary, '--root', root, '-q', archive], stdout=subprocess.DEVNULL)
    most = [0, 0]
    while child.poll() is None:
        try:
            with open(f'/proc/{child.pid}/task/{child.pid}/children') as file:
                now = proportional([child.pid] + [int(word) for word in file.read().split()])
        except OSError:
            continue
        most = [max(pair) for pair in zip(most, now)]
        time.sleep(0.002)
    if child.returncode != 0:
        sys.exit(f'{archive}: ended with {child.returncode}')
    row(f'{what}, peak memory of the largest process', f'{most[1] / 1024:.1f} MB', '-', '-', target,
        most[1] <= allowed * 1024)
    row(f'{what}, peak memory of all together', f'{most[0] / 1024:.1f} MB', '-', '-', target,
        most[0] <= allowed * 1024)


with own_file_system() as scratch:
    os.chmod(scratch, 0o755)
    print(f'(load {os.getloadavg()[0]:.1f} at the beginning)')
    for name, make in (('small', lambda to: small(to, 20000)), ('large', lambda to: large(to, 125 << 20))):
        make(f'{scratch}/{name}')
        subprocess.run(['tar', '-C', f'{scratch}/{name}', '-czf', f'{scratch}/{name}.tar.gz', TOP], check=True)
    subprocess.run(['zip', '-qry', f'{scratch}/large.zip', TOP], cwd=f'{scratch}/large', check=True)
    compare('20,000 small files, .tar.gz', f'{scratch}/small.tar.gz', {
        'GNU tar, sync -f, sha256sum': (PROVEN % TAR, 0.75), 'GNU tar': (TAR, None), 'bsdtar': (BSDTAR, None)})
    compare('client of 125 MB, .tar.gz', f'{scratch}/large.tar.gz', {
        'bsdtar, sync -f, sha256sum': (PROVEN % BSDTAR, 0.85), 'bsdtar': (BSDTAR, None), 'GNU tar': (TAR, None)})
    compare('client of 125 MB, .zip', f'{scratch}/large.zip', {
        'bsdtar, sync -f, sha256sum': (PROVEN % BSDTAR, 0.9), 'bsdtar': (BSDTAR, None),
        'unzip': ('unzip -q -d TO ARCHIVE', None)})
    for name in ('small.tar.gz', 'large.tar.gz', 'large.zip'):
        memory(name, f'{scratch}/{name}', 16)
    # What the packers do by default, and at their strongest.  The window is the packer's choice, whatever the size: no
    # setting of ours makes it smaller, and to refuse it would be to refuse an honest client that was packed again.
    with open(f'{scratch}/large.tar', 'wb') as plain:
        subprocess.run(['gzip', '-dc', f'{scratch}/large.tar.gz'], stdout=plain, check=True)
    for name, window, command in (
            ('large.tar', 0, None), ('large.tar.bz2', 0, 'bzip2 -9'),
            ('large.tar.xz', 8, 'xz --lzma2=preset=0,dict=8MiB'),
            ('large.tar.zst', 8, 'zstd -q -1 --zstd=wlog=23'),
            ('strongest.tar.xz', 64, 'xz --lzma2=preset=0,dict=64MiB'),
            ('strongest.tar.zst', 128, 'zstd -q -1 --long=27')):
        if command:
            with open(f'{scratch}/large.tar', 'rb') as plain, open(f'{scratch}/{name}', 'wb') as packed:
                subprocess.run(command.split(), stdin=plain, stdout=packed, check=True)
        memory(name, f'{scratch}/{name}', 16, window)
        if command:
            os.unlink(f'{scratch}/{name}')
END
