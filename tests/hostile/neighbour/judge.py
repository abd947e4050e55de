"""What an attack has brought about: changes outside of what it may own, rights given, secrets read, work stopped."""
import hashlib
import os
import re
import stat
import subprocess
import tempfile

from world import CLIENT, GENERIC, HSM, LONGEST

# What a command of ours may change, or an attacker may own.
OPEN = (CLIENT, HSM, 'opt/okv-luna', 'tmp', 'var/tmp', 'home/support', 'home/oracle', 'run')
OURS = ('etc/Chrystoki.conf', 'etc/passwd', 'etc/group', 'etc/gshadow', 'etc/.pwd.lock', 'etc/systemd', 'usr/sbin/okv-luna',
        'usr/lib/systemd', 'usr/safenet/.lunaclient.okv-luna')
HEAVY = ('usr/lib', 'usr/lib64', 'usr/bin', 'usr/share')
SECRET = re.compile(rb'SECRET-[a-z-]+')
# Terminal sequences, and marks that turn or hide text.
RAW = re.compile('[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]')


def below(path, tops):
    return any(path == top or path.startswith((f'{top}/', f'{top}-', f'{top}+', f'{top}.')) for top in tops)


def digest(path):
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except BlockingIOError:
        # Somebody has a lease on it.
        return None
    with open(fd, 'rb') as file:
        return hashlib.sha256(file.read(1 << 24)).hexdigest()


def entry(path, times):
    status = os.lstat(path)
    said = [stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid]
    if stat.S_ISLNK(status.st_mode):
        said.append(os.readlink(path))
    elif stat.S_ISREG(status.st_mode):
        said += [status.st_size, digest(path)]
        if times:
            said += [status.st_ino, status.st_mtime_ns]
        # Where a neighbour made a second name it may be taken away, which changes nothing of the file.
        if times and status.st_nlink == 1:
            said.append(status.st_ctime_ns)
    return tuple(said)


def outside(root, times=True):
    """{path: all that matters} of what no attack and no command of ours has a right to."""
    found = {}
    for where, directories, files in os.walk(root):
        place = os.path.relpath(where, root)
        directories[:] = [d for d in directories if not below(os.path.normpath(f'{place}/{d}'), OPEN + OURS + HEAVY)]
        for name in ['.', *directories, *files]:
            path = os.path.normpath(f'{place}/{name}')
            if not below(path, OPEN + OURS):
                found[path] = entry(f'{root}/{path}', times)
    return found


def inside(root):
    """Owners, modes and bytes of the client and OKV's files, as a run leaves them that nobody disturbs."""
    found = {}
    for top in (CLIENT, GENERIC, 'etc/systemd', 'etc/group', 'etc/Chrystoki.conf'):
        for where, directories, files in os.walk(f'{root}/{top}') if os.path.isdir(f'{root}/{top}') else [(root, [], [top])]:
            for name in directories + files:
                path = os.path.relpath(f'{where}/{name}', root)
                if len(path) < 1000:
                    found[path] = entry(f'{root}/{path}', False)
    return found


def differs(a, b):
    return a is None or b is None or a[:min(len(a), len(b))] != b[:min(len(a), len(b))]


def difference(before, after):
    """What is different first, or None."""
    return next((f'{path}: {before.get(path)} -> {after.get(path)}' for path in sorted({*before, *after})
                 if differs(before.get(path), after.get(path))), None)


def secrets_read(root, actor):
    """The names of the secrets that the actor finds when he looks everywhere."""
    with tempfile.TemporaryFile() as loot:
        def look():
            for where, directories, files in os.walk(root):
                place = os.path.relpath(where, root)
                directories[:] = [d for d in directories if not below(os.path.normpath(f'{place}/{d}'), HEAVY)]
                for name in files:
                    try:
                        fd = os.open(f'{where}/{name}', os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
                        if stat.S_ISREG(os.fstat(fd).st_mode):
                            for found in SECRET.findall(os.read(fd, 1 << 22)):
                                os.write(loot.fileno(), found + b'\n')
                        os.close(fd)
                    except OSError:
                        pass
        actor.does(look)
        loot.seek(0)
        return {line.decode().strip() for line in loot}


class Planted:
    """An inode that a neighbour made, and the handle that he keeps to it."""

    def __init__(self, path):
        self.path, self.fd = path, os.open(path, os.O_PATH | os.O_NOFOLLOW)
        self.before = os.fstat(self.fd)

    def gift(self, actor):
        """What root has given it that the actor did not have himself, or None."""
        now = os.fstat(self.fd)
        if not stat.S_ISREG(now.st_mode):
            return None
        was, name = self.before, os.path.basename(self.path)
        if actor.name != 'oracle' and (now.st_uid, now.st_gid) != (was.st_uid, was.st_gid):
            return f'{name} belongs to {now.st_uid}:{now.st_gid} now'
        if now.st_mode & stat.S_ISUID and now.st_uid != actor.uid:
            return f'{name} is set-user-id {now.st_uid}'
        if now.st_mode & stat.S_ISGID and now.st_mode & 0o010 and now.st_gid not in actor.groups:
            return f'{name} is set-group-id {now.st_gid}'
        if actor.name != 'oracle' and now.st_mode & 0o6111 & ~was.st_mode:
            return f'{name} has mode {stat.S_IMODE(now.st_mode):04o} now'
        return None

    def run(self, actor, *files):
        """By the handle, as the actor: is he somebody else then?  Or does he read a secret?"""
        def become():
            actor.become()
        try:
            done = subprocess.run([f'/proc/self/fd/{self.fd}', *files], pass_fds=[self.fd], preexec_fn=become,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=20, check=False)
        except OSError:
            return None
        lines = done.stdout.split(b'\n')
        uid, gid = map(int, lines[0].split())
        if uid != actor.uid or gid not in actor.groups:
            return f'{os.path.basename(self.path)}, started by its handle, runs as {uid}:{gid}'
        return None

    def close(self):
        os.close(self.fd)


def shown(run, patience=LONGEST):
    """What is wrong with how a run ended and what it said, whatever was attacked."""
    text = run.text.decode('utf-8', 'backslashreplace')
    if run.seconds > patience:
        return f'it took {run.seconds:.0f} s'
    if run.status < 0 or run.status > 7:
        return f'it ended with {run.status}'
    if RAW.search(text):
        return f'raw on the terminal: {RAW.search(text).group()!r}'
    return None
