"""A small appliance in a tree of its own, its neighbours, and the commands that root runs on it."""
import os
import shutil
import stat
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENT = 'usr/safenet/lunaclient'
HSM = 'usr/local/okv/hsm'
GENERIC = f'{HSM}/generic'
OLD_GROUP = 986
LONGEST = 100

# What an administrator types, in which state, and the user's word for it.
COMMANDS = {
    'repair': ('window', ['repair']),
    'repair --phase pre-upgrade': ('everyday', ['repair', '--phase', 'pre-upgrade']),
    'repair --profile strict': ('window', ['repair', '--profile', 'strict']),
    'repair --undo': ('window', ['repair', '--undo']),
    'config wire': ('stock', ['config', 'wire']),
    'config unwire': ('everyday', ['config', 'unwire', '--all', '--even-in-use']),
    'config check': ('everyday', ['config', 'check']),
    'slots': ('everyday', ['slots']),
    'status': ('everyday', ['status']),
    'pre-upgrade': ('everyday', ['pre-upgrade']),
    'pre-upgrade --abort': ('window', ['pre-upgrade', '--abort']),
    'mid-upgrade': ('next', ['mid-upgrade']),
    'post-upgrade': ('landed', ['post-upgrade']),
    'extract': ('everyday', ['extract', '--replace-kind', '{root}/tmp/in']),
    'bundle apply': ('everyday', ['bundle', 'apply', '--passphrase-file', '{work}/pass', '{root}/tmp/in']),
    'bundle seal': ('everyday', ['bundle', 'seal', '--passphrase-file', '{work}/pass', '--out', '{root}/tmp/out']),
    'bundle clean': ('everyday', ['bundle', 'clean']),
}
# What lies in /tmp/in.
CARRIED = {'extract': 'archive', 'bundle apply': 'sealed', 'bundle clean': 'sealed'}


# Programs and libraries: shared by all trees, since nothing has a reason to write there.
SHARED = ('usr/lib64', 'usr/bin', 'usr/lib/x86_64-linux-gnu')


def tree_copy(source, to, name='.'):
    """As cp -a, in this process: an attack is short, and so should be what it takes to begin one."""
    path, copy = f'{source}/{name}', f'{to}/{name}'
    status = os.lstat(path)
    if stat.S_ISDIR(status.st_mode):
        os.makedirs(copy, exist_ok=True)
        for child in os.listdir(path):
            tree_copy(source, to, child if name == '.' else f'{name}/{child}')
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(path), copy)
        os.lchown(copy, status.st_uid, status.st_gid)
        return
    elif name.startswith(SHARED):
        os.link(path, copy)
        return
    else:
        with open(path, 'rb') as old, open(copy, 'wb') as new:
            new.write(old.read())
    os.chown(copy, status.st_uid, status.st_gid)
    os.chmod(copy, stat.S_IMODE(status.st_mode))
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))


class Actor:
    """A local user, as the tree's account files have him now."""

    def __init__(self, name, root):
        with open(f'{root}/etc/passwd', encoding='utf-8') as file:
            users = {line.split(':')[0]: line.split(':') for line in file}
        with open(f'{root}/etc/group', encoding='utf-8') as file:
            groups = [line.strip().split(':') for line in file]
        self.name = name
        self.uid, self.gid = (65534, 65534) if name == 'nobody' else map(int, users[name][2:4])
        self.groups = [self.gid] + [int(g[2]) for g in groups if name in g[3].split(',')]

    def become(self):
        os.setgroups(self.groups)
        os.setgid(self.gid)
        os.setuid(self.uid)

    def does(self, what):
        """Runs what() in a process of his; the OSError's number or 0."""
        child = os.fork()
        if child == 0:
            status = 99
            try:
                self.become()
                what()
                status = 0
            except OSError as error:
                status = error.errno
            finally:
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Run:
    def __init__(self, status, text, seconds):
        self.status, self.text, self.seconds = status, text, seconds


class World:
    """The tree for one attack: a copy of one of the states that prepare made."""

    def __init__(self, work, build, command, naive=False):
        self.work, self.build, self.command, self.naive = work, build, command, naive
        self.state, self.arguments = COMMANDS[command]
        # One for each process that attacks.
        self.root = f'{work}/root-{os.getpid()}'

    def __enter__(self):
        self.fill(self.state)
        if self.command in CARRIED:
            shutil.copy(f'{self.work}/{CARRIED[self.command]}', self.path('tmp/in'))
            os.chmod(self.path('tmp/in'), 0o600)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.root, ignore_errors=True)

    def fill(self, state):
        shutil.rmtree(self.root, ignore_errors=True)
        if os.path.exists(self.root):
            # What is deeper than a path can be.
            subprocess.run(['rm', '-rf', self.root], check=True)
        tree_copy(f'{self.work}/{state}', self.root)

    def path(self, name):
        return f'{self.root}/{name}'

    def actor(self, name):
        return Actor(name, self.root)

    def argv(self):
        if self.naive:
            return ['/usr/bin/timeout', '3', 'sh', f'{HERE}/naive', self.command, self.root, self.work]
        tool, *rest = self.arguments
        return [f'{self.build}/libexec/okv-luna-{tool}', '--root', self.root] + \
            [word.format(root=self.root, work=self.work) for word in rest]

    def run(self, begins=lambda: None, prefix=()):
        """begins(): to be called once the command is there; prefix: what the command is started by."""
        begun = time.monotonic()
        environment = {'PATH': '/usr/sbin:/usr/bin:/sbin:/bin', 'BACKUP_PASSWORD': 'SECRET-environment'}
        with subprocess.Popen([*prefix, *self.argv()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=environment) as process:
            begins()
            try:
                said, status = process.communicate(timeout=2 * LONGEST)[0], process.returncode
            except subprocess.TimeoutExpired as late:
                process.kill()
                said, status = late.stdout or b'', 124
        return Run(status, said, time.monotonic() - begun)
